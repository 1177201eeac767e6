// Building: the library, the C programs, the nginx module. Each once in a run,
// and what takes long once for its sources.

package test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sanitizers are the flags for C in a sanitizer run. Leaks are not looked for:
// LeakSanitizer does not see what only Go's heap points to. What the tests
// assert on pillion_stats takes its place.
const sanitizers = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"

// sanitizerEnv lets each nginx module have its list of modules, as they all do,
// and keeps ASan's hands off the signals and alternate stacks that Go
// manages.
var sanitizerEnv = []string{
	"ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0:" +
		"allow_user_segv_handler=1:use_sigaltstack=0:detect_stack_use_after_return=0",
	"UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1",
}

// once builds something on first use and remembers a failure.
type once struct {
	sync.Once
	path string
	err  error
	out  []byte
}

func (o *once) get(t *testing.T, build func() (string, []byte, error)) string {
	t.Helper()
	o.Do(func() { o.path, o.out, o.err = build() })
	require.NoError(t, o.err, "%s", o.out)
	return o.path
}

var built struct {
	mu    sync.Mutex
	named map[string]*once
}

func builtOnce(name string) *once {
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.named == nil {
		built.named = map[string]*once{}
	}
	if built.named[name] == nil {
		built.named[name] = new(once)
	}
	return built.named[name]
}

// library is the test library in the version of that name.
func library(t *testing.T, version string) string {
	return builtOnce("library "+version).get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, "app-"+version+".so")
		args := []string{"build", "-buildvcs=false", "-buildmode=c-shared",
			"-ldflags", "-X pillion/test/behave.Version=" + version, "-o", path}
		if racing() {
			args = append(args, "-race")
		}
		cmd := exec.Command("go", append(args, "./app")...)
		cmd.Env = os.Environ()
		if sanitizing() {
			cmd.Env = append(cmd.Env, "CGO_CFLAGS="+sanitizers, "CGO_LDFLAGS=-fsanitize=address,undefined")
		}
		out, err := cmd.CombinedOutput()
		return path, out, err
	})
}

func compiler(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		missing(t, "gcc")
	}
	return cc
}

// cProgram compiles a program of directory c from the sources of those names,
// the first of which gives it its name.
func cProgram(t *testing.T, sources ...string) string {
	cc := compiler(t)
	return builtOnce("c "+sources[0]).get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, sources[0])
		args := []string{"-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I../include", "-o", path}
		if sanitizing() {
			args = append(args, strings.Fields(sanitizers)...)
		}
		for _, name := range sources {
			args = append(args, "c/"+name+".c")
		}
		out, err := exec.Command(cc, append(args, "-ldl", "-lpthread")...).CombinedOutput()
		return path, out, err
	})
}

// plugin compiles a shared object of a few lines of C.
func plugin(t *testing.T, name, source string) string {
	cc := compiler(t)
	return builtOnce("plugin "+name).get(t, func() (string, []byte, error) {
		path := filepath.Join(workDir, name+".so")
		cmd := exec.Command(cc, "-shared", "-fPIC", "-x", "c", "-o", path, "-")
		cmd.Stdin = strings.NewReader(source)
		out, err := cmd.CombinedOutput()
		return path, out, err
	})
}

// cached is a directory of the user's cache for what is built from the files
// below dirs, and whether it is there already. finish moves a new one in.
func cached(kind string, dirs ...string) (dir string, there bool, finish func(from string) error, err error) {
	h := sha256.New()
	for _, d := range dirs {
		err = filepath.WalkDir(d, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			h.Write([]byte(filepath.Base(path) + "\x00"))
			h.Write(b)
			return err
		})
		if err != nil {
			return "", false, nil, err
		}
	}
	for _, binary := range []string{nginxBinary(), apacheBinary()} {
		if v, err := exec.Command(binary, "-V").CombinedOutput(); err == nil {
			h.Write(v)
		}
	}
	base, err := os.UserCacheDir()
	if err != nil {
		base = workDir
	}
	dir = filepath.Join(base, "pillion-test", kind+"-"+hex.EncodeToString(h.Sum(nil)[:12]))
	_, statErr := os.Stat(dir)
	return dir, statErr == nil, func(from string) error {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return err
		}
		// What nobody has built for a day is of old sources.
		others, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), kind+"-*"))
		for _, other := range others {
			if info, err := os.Stat(other); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
				os.RemoveAll(other)
			}
		}
		err := os.Rename(from, dir)
		if _, statErr := os.Stat(dir); statErr == nil {
			return nil // this run's, or another's of the same sources
		}
		return err
	}, nil
}

// copyFile copies by way of a rename, so that nobody sees half a file.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to+".new", b, 0o755))
	require.NoError(t, os.Rename(to+".new", to))
}
