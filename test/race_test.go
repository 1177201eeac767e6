// The library with Go's race detector, inside servers: PILLION_RACE=1.

package test

import (
	"os"
	"strings"
	"testing"
)

func racing() bool { return os.Getenv("PILLION_RACE") != "" }

// raceEnv is what a server needs in its environment to load the library then.
func raceEnv(t *testing.T) []string {
	t.Helper()
	if !racing() {
		return nil
	}
	preload := []string{plugin(t, "low", lowAddresses)}
	if others := os.Getenv("LD_PRELOAD"); others != "" {
		preload = append(preload, others)
	}
	return []string{"LD_PRELOAD=" + strings.Join(preload, ":")}
}

// lowAddresses is preloaded: it takes the address space from the ceiling on, all
// but room for stacks. Go's race detector knows addresses below it alone, and
// the system would load the library above.
const lowAddresses = `
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define CEILING  0xe000000000ul
#define STACK    0x1000000ul

static void take(uintptr_t start, uintptr_t end)
{
    if (start < CEILING) {
        start = CEILING;
    }
    if (end > start + STACK) {
        mmap((void *) start, end - STACK - start, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    }
}

__attribute__((constructor)) static void low(void)
{
    uintptr_t used[1024][2], end = 0;
    char line[512];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    if (maps == NULL) {
        return;
    }
    while (n < 1024 && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx", &used[n][0], &used[n][1]) == 2) {
            n++;
        }
    }
    fclose(maps);
    for (int i = 0; i < n && used[i][1] < 0x800000000000ul; i++) {
        take(end, used[i][0]);
        end = used[i][1];
    }
}
`
