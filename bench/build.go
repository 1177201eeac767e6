// What the contenders are made of.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"pillion/bench/app"
)

// newKit builds the programs and writes the documents into a new directory,
// which remove deletes. modules is where the server modules have been built.
func newKit(ctx context.Context, modules string) (k *kit, remove func(), err error) {
	dir, err := os.MkdirTemp("", "pillion-bench-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	k = &kit{
		dir:     dir,
		library: filepath.Join(dir, "bench.so"),
		backend: filepath.Join(dir, "backend"),
		files:   raiseFiles(32768),
	}
	k.file = k.document("file")
	if k.modules, err = filepath.Abs(modules); err == nil {
		err = k.fill(ctx)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return k, remove, nil
}

func (k *kit) fill(ctx context.Context) error {
	// The servers' workers may be another user.
	if err := os.Chmod(k.dir, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(k.documents(), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(k.document("hello"), []byte(app.Hello), 0o644); err != nil {
		return err
	}
	block := bytes.Repeat([]byte("Pillion "), 1<<17)
	if err := os.WriteFile(k.file, bytes.Repeat(block, fileSize/len(block)), 0o644); err != nil {
		return err
	}
	if err := build(ctx, "./bench/library", k.library, "-buildmode=c-shared"); err != nil {
		return err
	}
	return build(ctx, "./bench/backend", k.backend)
}

func build(ctx context.Context, source, product string, flags ...string) error {
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-buildvcs=false", "-o", product}, flags...), source)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", source, err, out)
	}
	return nil
}
