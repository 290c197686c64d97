#include "os/cpus.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace convgrad {

CpuSet::CpuSet(pid_t thread) {
  if (sched_getaffinity(thread, sizeof sets_, sets_) != 0) memset(sets_, 0, sizeof sets_);
}

int CpuSet::count() const { return CPU_COUNT_S(sizeof sets_, sets_); }

void CpuSet::add(const CpuSet &others) { CPU_OR_S(sizeof sets_, sets_, sets_, others.sets_); }

void CpuSet::remove(int cpu) { CPU_CLR_S(static_cast<size_t>(cpu), sizeof sets_, sets_); }

bool CpuSet::operator==(const CpuSet &other) const { return CPU_EQUAL_S(sizeof sets_, sets_, other.sets_); }

bool CpuSet::set_for(pid_t thread) const { return sched_setaffinity(thread, sizeof sets_, sets_) == 0; }

int this_cpu() { return sched_getcpu(); }

CpuSet cpus_of_process(const char *threads) {
  CpuSet cpus(0);
  cpus.add(CpuSet(getpid()));  // the first thread has the process's number
  // Not with opendir(), which allocates: a context's memory may be the application's to give.
  const int folder = open(threads, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return cpus;
  alignas(dirent) char entries[4096];
  for (long bytes; (bytes = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;) {
    for (long at = 0; at < bytes;) {
      const auto *entry = reinterpret_cast<const dirent *>(entries + at);
      const auto thread = static_cast<pid_t>(strtol(entry->d_name, nullptr, 10));
      if (thread > 0) cpus.add(CpuSet(thread));  // not "." and ".."; one that has ended meanwhile has none
      at += entry->d_reclen;
    }
  }
  close(folder);
  return cpus;
}

}  // namespace convgrad
