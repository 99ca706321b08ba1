//! A host name that resolves to the loopback as long as a test wants, in processes that are started with it.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The system's own `getaddrinfo` for all names but one.
const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  if (name && strcmp(name, getenv("TEST_NAME")) == 0) {
    if (access(getenv("TEST_NAME_RESOLVES"), F_OK) != 0) return EAI_NONAME;
    name = "127.0.0.1";
  }
  return ((resolver *)dlsym(RTLD_NEXT, "getaddrinfo"))(name, service, hints, found);
}
"#;

/// The name, and what makes a process know it.
pub(crate) struct Name {
    library: PathBuf,
    resolves: PathBuf,
    _folder: TempDir,
}

impl Name {
    pub(crate) const NAME: &str = "redis.avatar-proxy.test";

    /// Resolves from the beginning.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (source, library, resolves) = (path("resolver.c"), path("resolver.so"), path("resolves"));
        std::fs::write(&source, RESOLVER).unwrap();
        // Rust links with it, so it is there.
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
        assert!(compiled.expect("a C compiler").success());
        let name = Self { library, resolves, _folder: folder };
        name.resolve(true);
        name
    }

    /// Whether it resolves from now on.
    pub(crate) fn resolve(&self, resolves: bool) {
        if resolves {
            std::fs::write(&self.resolves, "").unwrap();
        } else {
            std::fs::remove_file(&self.resolves).unwrap();
        }
    }

    /// For the process.
    pub(crate) fn environment(&self) -> [(&str, &str); 3] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("TEST_NAME", Self::NAME),
            ("TEST_NAME_RESOLVES", self.resolves.to_str().unwrap()),
        ]
    }
}
