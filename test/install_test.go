// make install, and mklib for a program outside of the tree.

package test

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// command runs a program in a directory, with more environment, and returns
// what it prints.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s%s", name, strings.Join(args, " "), out, complaints.String())
	return string(out)
}

// files are the paths of what is no directory below dir.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return paths
}

// product is a directory as make build leaves it, with a stand-in for the
// Apache module.
func product(t *testing.T) string {
	return builtOnce("product").get(t, func() (string, []byte, error) {
		dir := tempDir(t, "product")
		_, module := nginxBuild(t)
		copyFile(t, module, filepath.Join(dir, filepath.Base(module)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "mod_pillion.so"), []byte("a module"), 0o644))
		cmd := exec.Command("make", "-s", "library", "BUILD="+dir)
		cmd.Dir = root()
		out, err := cmd.CombinedOutput()
		return dir, out, err
	})
}

// into are the arguments of make that install product below a directory of its
// own.
func into(t *testing.T) (dest string, install []string) {
	dest = tempDir(t, "dest")
	return dest, []string{"-s", "BUILD=" + product(t), "DESTDIR=" + dest, "PREFIX=/opt/pillion",
		"NGINX_MODULES=/opt/nginx/modules", "APACHE_MODULES=/opt/apache/modules"}
}

// installed installs product there.
func installed(t *testing.T) (dest string, install []string) {
	dest, install = into(t)
	command(t, root(), nil, "make", append(install, "install")...)
	return dest, install
}

func TestInstall_PutsEverythingInItsPlaceAndUninstallTakesItAway(t *testing.T) {
	dest, install := installed(t)
	var want []string
	for _, name := range []string{
		"lib/libpillion.so", "lib/libpillion.so.1", "lib/libpillion.a", "lib/pkgconfig/pillion.pc",
		"include/pillion.h", "include/pillion_loader.h",
		"share/man/man3/pillion.3", "share/man/man3/pillion_loader.3", "share/man/man3/pillion_loader_open.3",
	} {
		want = append(want, "/opt/pillion/"+name)
	}
	library, err := filepath.EvalSymlinks(filepath.Join(dest, "opt/pillion/lib/libpillion.so"))
	require.NoError(t, err)
	assert.Regexp(t, `/libpillion\.so\.1\.\d+$`, library)
	want = append(want, strings.TrimPrefix(library, dest), "/opt/nginx/modules/ngx_http_pillion_module.so", "/opt/apache/modules/mod_pillion.so")
	for _, f := range declared(t) {
		want = append(want, "/opt/pillion/share/man/man3/"+f+".3")
	}
	assert.ElementsMatch(t, want, files(t, dest))

	// Again, over a library that somebody may have mapped.
	before, err := os.Stat(library)
	require.NoError(t, err)
	held, err := os.Open(library)
	require.NoError(t, err)
	defer held.Close()
	command(t, root(), nil, "make", append(install, "install")...)
	after, err := os.Stat(library)
	require.NoError(t, err)
	assert.False(t, os.SameFile(before, after), "the library was written over")

	command(t, root(), nil, "make", append(install, "uninstall")...)
	assert.Empty(t, files(t, dest))
}

func TestInstall_EverybodyMayReadWhatIsInstalledWhateverTheUmask(t *testing.T) {
	dest, install := into(t)
	command(t, root(), nil, "bash", append([]string{"-c", `umask 077; exec make "$@" install`, "make"}, install...)...)
	require.NotEmpty(t, files(t, dest))
	require.NoError(t, filepath.WalkDir(filepath.Join(dest, "opt"), func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		want := fs.FileMode(0o644)
		if e.IsDir() {
			want = 0o755
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
}

func TestInstall_ProgramsBuildAgainstWhatIsInstalled(t *testing.T) {
	compiler(t)
	dest, _ := installed(t)
	env := []string{"PKG_CONFIG_SYSROOT_DIR=" + dest, "PKG_CONFIG_LIBDIR=" + dest + "/opt/pillion/lib/pkgconfig"}
	source := filepath.Join(root(), "examples/c/link.c")
	for _, c := range []struct{ name, build string }{
		{"shared", "cc %s $(pkg-config --cflags --libs pillion) -o program"},
		{"static", "cc -static %s $(pkg-config --static --cflags --libs pillion) -o program"},
		{"archive", "cc %s $(pkg-config --cflags --libs-only-L pillion) -l:libpillion.a -o program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tempDir(t, "program")
			command(t, dir, env, "bash", "-ec", strings.Replace(c.build, "%s", source, 1))
			needed := command(t, dir, nil, "readelf", "-d", "program")
			assert.Equal(t, c.name == "shared", strings.Contains(needed, "[libpillion.so.1]"), needed)
			out := command(t, dir, []string{"LD_LIBRARY_PATH=" + dest + "/opt/pillion/lib"}, "./program", "hello", "/?name=you")
			assert.Contains(t, out, "Hello, you!")
		})
	}
	version := command(t, dest, env, "pkg-config", "--modversion", "pillion")
	assert.Regexp(t, `^1\.\d+\.\d+\n$`, version)
}

func TestInstall_ManualRendersWithoutWarnings(t *testing.T) {
	dest, _ := installed(t)
	man := filepath.Join(dest, "opt/pillion/share/man")
	for _, tool := range []string{"mandoc", "groff"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool)
		}
	}
	for _, name := range []string{"pillion.3", "pillion_loader.3"} {
		page := filepath.Join(man, "man3", name)
		out, err := exec.Command("mandoc", "-Tlint", "-W", "warning", page).CombinedOutput()
		assert.NoError(t, err, "%s", out)
		assert.Empty(t, string(out))
		cmd := exec.Command("groff", "-ww", "-man", "-Tascii", page)
		var complaints strings.Builder
		cmd.Stderr = &complaints
		text, err := cmd.Output()
		assert.NoError(t, err)
		assert.Empty(t, complaints.String())
		if name == "pillion.3" {
			for _, f := range declared(t) {
				assert.Contains(t, string(text), f+"(")
			}
		}
	}
	out := command(t, dest, []string{"MANWIDTH=80"}, "mandoc", "-Tutf8", filepath.Join(man, "man3/pillion_call.3"))
	assert.NotEmpty(t, out)
	link, err := os.ReadFile(filepath.Join(man, "man3/pillion_call.3"))
	require.NoError(t, err)
	assert.Equal(t, ".so man3/pillion.3\n", string(link))
}

// outside is a program of somebody else: the README's, in a module of its own.
const outside = `package main

import (
	"fmt"
	"net/http"

	_ "pillion/capi"
	"pillion/host"
)

func init() {
	host.HandleFunc("greet", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "greetings from", r.URL.Path) })
}

func main() { host.Main() }
`

// outsideModule is a directory with that program, or another one.
func outsideModule(t *testing.T, program string) string {
	dir := tempDir(t, "outside")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o644))
	command(t, dir, nil, "go", "mod", "init", "example.com/greet")
	command(t, dir, nil, "go", "mod", "edit", "-require", "pillion@v0.0.0", "-replace", "pillion="+root())
	return dir
}

func TestMklib_MakesALibraryOfAnyProgram(t *testing.T) {
	compiler(t)
	dir := outsideModule(t, outside)
	command(t, dir, nil, "go", "run", "pillion/capi/mklib", "-name", "greet", "-version", "2.3.4", "-o", "out", ".")

	// It may be moved.
	moved := filepath.Join(dir, "moved")
	require.NoError(t, os.Rename(filepath.Join(dir, "out"), moved))
	library, err := filepath.EvalSymlinks(filepath.Join(moved, "libgreet.so"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"/libgreet.so", "/libgreet.so.1", "/" + filepath.Base(library), "/libgreet.a", "/greet.pc",
		"/include/pillion.h", "/include/pillion_loader.h"}, files(t, moved))
	f, err := elf.Open(library)
	require.NoError(t, err)
	defer f.Close()
	soname, err := f.DynString(elf.DT_SONAME)
	require.NoError(t, err)
	assert.Equal(t, []string{"libgreet.so.1"}, soname)
	assert.Equal(t, declared(t), visible(t, library))

	env := []string{"PKG_CONFIG_PATH=" + moved, "LD_LIBRARY_PATH=" + moved}
	assert.Equal(t, "2.3.4\n", command(t, dir, env, "pkg-config", "--modversion", "greet"))
	for _, build := range []string{
		"cc %s $(pkg-config --cflags --libs greet) -o program",
		"cc -static %s $(pkg-config --static --cflags --libs greet) -o program",
	} {
		command(t, dir, env, "bash", "-ec", strings.Replace(build, "%s", filepath.Join(root(), "examples/c/link.c"), 1))
		assert.Contains(t, command(t, dir, env, "./program", "greet", "/here"), "greetings from /here")
	}
}

func TestMklib_SaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ program, args, says string }{
		"no import":  {"package main\n\nimport _ \"pillion/host\"\n\nfunc main() {}\n", "-name greet", `does not import "pillion/capi"`},
		"no program": {"package greet\n\nimport _ \"pillion/capi\"\n", "-name greet", "is not a program"},
		"no Go":      {"package main\n\nfunc main() { nothing }\n", "-name greet .", "undefined: nothing"},
		"bad name":   {outside, "-name ../greet", "cannot be the name of a library"},
		"no name":    {outside, "-o out", "usage: mklib"},
	} {
		t.Run(name, func(t *testing.T) {
			program := c.program
			if name == "no Go" {
				program = strings.Replace(program, "func", "import _ \"pillion/capi\"\n\nfunc", 1)
			}
			dir := outsideModule(t, program)
			cmd := exec.Command("go", append([]string{"run", "pillion/capi/mklib"}, strings.Fields(c.args)...)...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			assert.Error(t, err)
			assert.Contains(t, string(out), c.says)
			left := slices.DeleteFunc(files(t, dir), func(path string) bool { return path == "/main.go" || path == "/go.mod" })
			assert.Empty(t, left, "nothing is left of an attempt")
		})
	}
}
