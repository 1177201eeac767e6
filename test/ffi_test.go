// The examples that call the library through a language's FFI: their recipes,
// what their bindings do when things go wrong, and that calls leave nothing
// behind.

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// ffi is a language with its examples.
type ffi struct {
	name   string
	needs  []string // programs
	dir    string   // in examples
	suffix string
	check  func(t *testing.T, library, target string) *exec.Cmd
}

func example(names ...string) string {
	return filepath.Join(append([]string{root(), "examples"}, names...)...)
}

// checkOf is the program of test/ffi in a language.
func checkOf(suffix string) string { return filepath.Join(root(), "test", "ffi", "check"+suffix) }

// script makes a check of an interpreter's command line.
func script(env string, args ...string) func(*testing.T, string, string) *exec.Cmd {
	return func(t *testing.T, library, target string) *exec.Cmd {
		cmd := exec.Command(args[0], append(args[1:], library, target)...)
		cmd.Env = append(os.Environ(), env)
		return cmd
	}
}

var ffis = []ffi{
	{"Python", []string{"python3"}, "python", ".py", script("PYTHONPATH="+example("python"), "python3", checkOf(".py"))},
	{"Lua", []string{"luajit"}, "luajit", ".lua", script("LUA_PATH="+example("luajit", "?.lua"), "luajit", checkOf(".lua"))},
	{"PHP", []string{"php"}, "php", ".php", script("", "php", checkOf(".php"), example("php", "pillion.php"))},
	{"Ruby", []string{"ruby"}, "ruby", ".rb", script("", "ruby", "-I"+example("ruby"), checkOf(".rb"))},
	{"Node", []string{"node", "npm"}, "node", ".js", func(t *testing.T, library, target string) *exec.Cmd {
		once := recipe(t, example("node", "hello.js"))[1]
		require.True(t, strings.HasPrefix(once, "npm "), once)
		runOnce(t, once)
		return exec.Command("node", checkOf(".js"), example("node", "pillion.js"), library, target)
	}},
	{"C++", []string{"g++", "pkg-config"}, "cpp", ".cpp", func(t *testing.T, library, target string) *exec.Cmd {
		program := filepath.Join(tempDir(t, "cpp"), "check")
		out, err := exec.Command("g++", "-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I../include",
			"-I"+example("cpp"), "ffi/check.cpp", library, "-o", program).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return exec.Command(program, target)
	}},
}

// have sees to it that a language is installed.
func (f ffi) have(t *testing.T) {
	t.Helper()
	for _, program := range f.needs {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program)
		}
	}
}

var (
	recipeStart = regexp.MustCompile(`[Bb]uild and run it, from the top of the tree:|leave something behind:`)
	recipeLine  = regexp.MustCompile(`^(?:--|//|#| \*)?    +(\S.*)$`)
)

// recipe is the commands that an example opens with.
func recipe(t *testing.T, file string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	at := recipeStart.FindStringIndex(string(text))
	require.NotNil(t, at, "%s has no recipe", file)
	for line := range strings.Lines(string(text[at[1]:])) {
		if m := recipeLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			commands = append(commands, m[1])
		} else if len(commands) > 0 {
			return commands
		}
	}
	return commands
}

// shell runs commands at the top of the tree.
func shell(commands string) *exec.Cmd {
	cmd := exec.Command("bash", "-ec", commands)
	cmd.Dir = root()
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "MAKE") && !strings.HasPrefix(variable, "MFLAGS=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd
}

// runOnce runs a command that recipes share.
func runOnce(t *testing.T, command string) {
	t.Helper()
	builtOnce(command).get(t, func() (string, []byte, error) {
		out, err := shell(command).CombinedOutput()
		return "", out, err
	})
}

// follow follows the recipe of an example and returns what its last command,
// which it may change, prints.
func follow(t *testing.T, file string) string {
	t.Helper()
	var rest []string
	for _, command := range recipe(t, file) {
		if strings.HasPrefix(command, "make ") || strings.HasPrefix(command, "npm ") {
			runOnce(t, command)
		} else {
			rest = append(rest, command)
		}
	}
	out, err := output(shell(strings.Join(rest, "\n")))
	require.NoError(t, err, "%s", out)
	return out
}

// output is what a program prints, with what it complained about if it failed.
func output(cmd *exec.Cmd) (string, error) {
	var complaints strings.Builder
	cmd.Stderr = &complaints
	kill := time.AfterFunc(10*patience, func() { cmd.Process.Signal(syscall.SIGABRT) })
	defer kill.Stop()
	out, err := cmd.Output()
	if err != nil {
		return string(out) + complaints.String(), err
	}
	return string(out), nil
}

func TestFFI_RecipesWork(t *testing.T) {
	for _, f := range ffis {
		t.Run(f.dir, func(t *testing.T) {
			f.have(t)
			out := follow(t, example(f.dir, "hello"+f.suffix))
			assert.Equal(t, "200\nContent-Length: "+strconv.Itoa(len("Hello, !\n")+len(f.name))+
				"\nContent-Type: text/plain; charset=utf-8\n\nHello, "+f.name+"!\n", out)
		})
	}
}

// ffiTarget is of a response that has all there is.
var ffiTarget = behave.Spec{
	Status: 201, Pieces: []string{"body"},
	Headers:  [][2]string{{"X-Many", "one"}, {"X-Many", "two, three"}, {"Trailer", "X-Sum"}},
	Trailers: [][2]string{{"X-Sum", "42"}},
}.URL()

func TestFFI_FailuresHaveNamesAndBytesStayBytes(t *testing.T) {
	const want = `early: -3 PILLION_E_STATE: not initialised yet, or initialised already
init: ok
again: -3 PILLION_E_STATE: not initialised yet, or initialised already
nobody: -8 PILLION_E_APP: no application has that name
echo: same
env: there
response: 201 one|two, three body X-Sum=42
cut: -13 PILLION_E_ABORTED: the application aborted the response [200 pppppppppp]
nothing: -13 PILLION_E_ABORTED: the application aborted the response [0 ]
stop: ok
late: -4 PILLION_E_STOPPED: the library has been stopped
`
	for _, f := range ffis {
		t.Run(f.dir, func(t *testing.T) {
			f.have(t)
			out, err := output(f.check(t, library(t, "one"), ffiTarget))
			require.NoError(t, err, out)
			assert.Equal(t, want, strings.ReplaceAll(out, "\t", " "))
		})
	}
}

// The bindings load by themselves. A name without a slash is a file's, too.
func TestFFI_ALibraryThatCannotBeLoadedIsTheBindingsOwnError(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.so"), []byte("no library at all"), 0o755))
	copyFile(t, plugin(t, "stranger", strangerSource), filepath.Join(dir, "stranger.so"))
	copyFile(t, plugin(t, "future", futureSource), filepath.Join(dir, "future.so"))
	copyFile(t, library(t, "one"), filepath.Join(dir, "app.so"))
	for _, f := range ffis {
		if f.name == "C++" {
			continue
		}
		t.Run(f.dir, func(t *testing.T) {
			f.have(t)
			run := func(library string) string {
				cmd := f.check(t, library, ffiTarget)
				cmd.Dir = dir
				out, err := output(cmd)
				require.NoError(t, err, out)
				return strings.ReplaceAll(out, "\t", " ")
			}
			for _, library := range []string{"none.so", "text.so", "stranger.so", "future.so"} {
				out := run(library)
				assert.Regexp(t, `^load: (None|nil|0|undefined) cannot load "`+library+`": .+\n$`, out)
			}
			assert.Contains(t, run("stranger.so"), "illion") // the library's or the function's name
			assert.Contains(t, run("app.so"), "init: ok")
		})
	}
}

// A binding that forgot a response each time would keep 100 MB and more, one
// that forgot a few words 3 MB for each.
func TestFFI_HundredThousandCallsLeaveNothingBehind(t *testing.T) {
	result := regexp.MustCompile(`(\d+) calls, ([\d.]+) us each, resident (\d+) KiB, then (\d+) KiB`)
	for _, f := range ffis {
		t.Run(f.dir, func(t *testing.T) {
			f.have(t)
			m := result.FindStringSubmatch(follow(t, example(f.dir, "bench"+f.suffix)))
			require.NotNil(t, m)
			t.Log(m[0])
			assert.Equal(t, "100000", m[1])
			before, err := strconv.Atoi(m[3])
			require.NoError(t, err)
			after, err := strconv.Atoi(m[4])
			require.NoError(t, err)
			assert.Less(t, after-before, 8<<10)
		})
	}
}
