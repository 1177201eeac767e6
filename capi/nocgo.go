// What importing the package gives without cgo: nothing, so that a program that
// runs on its own needs no C compiler.

//go:build !cgo

// Package capi is empty when it is built without cgo. With cgo it gives a Go
// program the C ABI of include/pillion.h.
package capi
