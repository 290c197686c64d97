/* usage: host WHAT PLUGIN OTHER
 *
 * Loads a plugin that computes with the default context, and lets go of it. WHAT says how:
 *   reload             after it has ended the default context, again and again
 *   reload_unfinished  without that, and with a context that it has forgotten
 *   exit               never: the process ends while other threads are in calls; OTHER is loaded after it
 *   fork               in a child, which inherited it
 * Otherwise OTHER is a library that must be gone once the plugin is. Exit status 0 only if all is as it should be. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, SECONDS = 100 };

#define CHECK(condition)                                        \
  if (!(condition)) {                                           \
    fprintf(stderr, "line %d: not %s\n", __LINE__, #condition); \
    return 1;                                                   \
  }

typedef struct {
  void *handle;
  int (*computes)(void);
  int (*leaks_a_context)(void);
  void (*finish)(void);
} Plugin;

static int load(const char *file, Plugin *plugin) {
  plugin->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (plugin->handle == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 0;
  }
  *(void **)&plugin->computes = dlsym(plugin->handle, "plugin_computes");
  *(void **)&plugin->leaks_a_context = dlsym(plugin->handle, "plugin_leaks_a_context");
  *(void **)&plugin->finish = dlsym(plugin->handle, "plugin_finish");
  return plugin->computes != NULL && plugin->leaks_a_context != NULL && plugin->finish != NULL;
}

static int is_loaded(const char *file) {
  void *handle = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  if (handle != NULL) dlclose(handle);
  return handle != NULL;
}

/* An emulator has some of its own. */
static int count_threads(void) {
  DIR *folder = opendir("/proc/self/task");
  int count = -2; /* . and .. */
  if (folder == NULL) return 0;
  while (readdir(folder) != NULL) ++count;
  closedir(folder);
  return count;
}

/* What has been joined is listed for a moment more. */
static int has_threads(int count) {
  for (int tries = 0; count_threads() != count && tries < 2000; ++tries) usleep(1000);
  return count_threads() == count;
}

static int reload(const char *file, const char *library, int finish) {
  const int before = count_threads();
  for (int round = 0; round < 20; ++round) {
    Plugin plugin;
    CHECK(load(file, &plugin))
    CHECK(plugin.computes())
    CHECK(has_threads(before + THREADS - 1))
    if (finish) {
      plugin.finish();
      CHECK(has_threads(before))
      CHECK(plugin.computes()) /* makes a new one */
      CHECK(has_threads(before + THREADS - 1))
      plugin.finish();
      plugin.finish();
    } else {
      CHECK(plugin.leaks_a_context())
      CHECK(has_threads(before + THREADS - 1 + 2))
    }
    CHECK(dlclose(plugin.handle) == 0)
    CHECK(!is_loaded(file) && !is_loaded(library))
    CHECK(has_threads(before))
  }
  return 0;
}

static void *compute_forever(void *arg) {
  Plugin *plugin = arg;
  while (plugin->computes()) continue;
  _exit(3);
}

/* In a child: exit() runs the destructors of all libraries. */
static int end_within_calls(const char *file, const char *linger, int microseconds) {
  Plugin plugin;
  pthread_t thread;
  alarm(SECONDS);
  CHECK(load(file, &plugin))
  CHECK(plugin.computes())
  CHECK(plugin.leaks_a_context())
  CHECK(dlopen(linger, RTLD_NOW) != NULL)
  for (int i = 0; i < 3; ++i) CHECK(pthread_create(&thread, NULL, compute_forever, &plugin) == 0)
  usleep((useconds_t)microseconds);
  exit(0);
}

static int waited(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child)
  if (!WIFEXITED(status)) fprintf(stderr, "a child was ended by signal %d\n", WTERMSIG(status));
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0)
  return 0;
}

static int end_again_and_again(const char *file, const char *linger) {
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) _exit(end_within_calls(file, linger, 100 * round));
    CHECK(child > 0 && waited(child) == 0)
  }
  return 0;
}

/* What it inherited has no threads; its own has. It ends with what it inherited, or with its own. */
static int use_in_child(Plugin *plugin, const char *file, int round) {
  alarm(SECONDS);
  const int before = count_threads();
  if (round % 2 == 0) plugin->finish();
  CHECK(plugin->computes())
  CHECK(has_threads(before + THREADS - 1))
  if (round % 4 < 2) {
    plugin->finish();
    CHECK(has_threads(before))
    CHECK(dlclose(plugin->handle) == 0)
    CHECK(!is_loaded(file))
  }
  return 0;
}

typedef struct {
  Plugin *plugin;
  const char *file;
  int round, failed;
} Forked;

static void *fork_and_wait(void *arg) {
  Forked *forked = arg;
  const pid_t child = fork();
  if (child == 0) exit(use_in_child(forked->plugin, forked->file, forked->round));
  forked->failed = child < 0 || waited(child) != 0;
  return NULL;
}

static int fork_and_use(const char *file) {
  Plugin plugin;
  CHECK(load(file, &plugin))
  CHECK(plugin.computes())
  for (int round = 0; round < 8; ++round) {
    /* From the newest thread: QEMU 7.2 confuses others with those of the child. */
    Forked forked = {&plugin, file, round, 1};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, fork_and_wait, &forked) == 0)
    CHECK(pthread_join(thread, NULL) == 0 && !forked.failed)
    CHECK(plugin.computes())
  }
  plugin.finish();
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  alarm(SECONDS);
  setenv("CONVGRAD_NUM_THREADS", "4", 1); /* THREADS */
  const char *what = argv[1], *file = argv[2], *other = argv[3];
  if (strcmp(what, "reload") == 0) return reload(file, other, 1);
  if (strcmp(what, "reload_unfinished") == 0) return reload(file, other, 0);
  if (strcmp(what, "exit") == 0) return end_again_and_again(file, other);
  if (strcmp(what, "fork") == 0) return fork_and_use(file);
  return 2;
}
