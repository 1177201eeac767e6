package scgi

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func head(text string) string { return fmt.Sprintf("%d:%s,", len(text), text) }

const good = "CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00EMPTY\x00\x00"

func TestPairs_AreReadAndTheBodyIsLeft(t *testing.T) {
	r := bufio.NewReader(strings.NewReader(head(good) + "What is the answer to life?"))
	pairs, err := Pairs(r)
	require.NoError(t, err)
	assert.Equal(t, [][2]string{{"CONTENT_LENGTH", "27"}, {"SCGI", "1"}, {"REQUEST_METHOD", "POST"}, {"EMPTY", ""}}, pairs)
	rest, _ := io.ReadAll(r)
	assert.Equal(t, "What is the answer to life?", string(rest))
}

func TestPairs_WhatIsMalformedIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"no length":        ":" + good,
		"letters":          "abc",
		"digits for ever":  "00000000000000000000",
		"too long":         "1048577:",
		"no comma":         strings.TrimSuffix(head(good), ",") + ";",
		"no NUL":           head("CONTENT_LENGTH"),
		"name alone":       head("CONTENT_LENGTH\x000\x00SCGI\x001\x00X\x00"),
		"empty name":       head("CONTENT_LENGTH\x000\x00SCGI\x001\x00\x00x\x00"),
		"no SCGI":          head("CONTENT_LENGTH\x000\x00"),
		"other SCGI":       head("CONTENT_LENGTH\x000\x00SCGI\x002\x00"),
		"length not first": head("SCGI\x001\x00CONTENT_LENGTH\x000\x00"),
		"nothing at all":   head(""),
	} {
		_, err := Pairs(bufio.NewReader(strings.NewReader(text)))
		assert.ErrorIs(t, err, ErrProtocol, name)
	}
	_, err := Pairs(bufio.NewReader(strings.NewReader("")))
	assert.Equal(t, io.EOF, err)
	_, err = Pairs(bufio.NewReader(strings.NewReader("100:CONTENT")))
	assert.Equal(t, io.ErrUnexpectedEOF, err)
}

// FuzzPairs finds CONTENT_LENGTH first and no NUL anywhere, or an error.
func FuzzPairs(f *testing.F) {
	f.Add(head(good))
	f.Add("24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,")
	f.Add("3:a\x00b,")
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := Pairs(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		if pairs[0][0] != "CONTENT_LENGTH" {
			t.Fatal(pairs)
		}
		for _, p := range pairs {
			if p[0] == "" || strings.ContainsRune(p[0]+p[1], 0) {
				t.Fatalf("%q", p)
			}
		}
	})
}
