// Notes: a form and a JSON API over a small list in memory.

package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxNotes = 50  // the oldest goes when one more comes
	maxNote  = 280 // characters
)

var errNote = errors.New("a note has 1 to 280 characters")

type note struct {
	ID   int       `json:"id"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// notes is the list, latest first.
type notes struct {
	mu   sync.Mutex
	last int
	list []note
}

func (n *notes) all() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]note{}, n.list...)
}

func (n *notes) add(text string) (note, error) {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxNote {
		return note{}, errNote
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	added := note{ID: n.last, Text: text, At: time.Now().UTC().Truncate(time.Second)}
	n.list = slices.Insert(n.list, 0, added)
	n.list = n.list[:min(len(n.list), maxNotes)]
	return added, nil
}

func (n *notes) remove(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.list, func(e note) bool { return strconv.Itoa(e.ID) == id })
	if i < 0 {
		return false
	}
	n.list = slices.Delete(n.list, i, i+1)
	return true
}

func (d *demo) listNotes(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, d.notes.all())
}

func (d *demo) addNote(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Text string `json:"text"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&in)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	added, err := d.notes.add(in.Text)
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err)
		return
	}
	slog.InfoContext(r.Context(), "note added", "id", added.ID)
	w.Header().Set("Location", mount(r)+"/api/notes/"+strconv.Itoa(added.ID))
	writeJSON(w, http.StatusCreated, added)
}

func (d *demo) deleteNote(w http.ResponseWriter, r *http.Request) {
	if !d.notes.remove(r.PathValue("id")) {
		writeError(w, http.StatusNotFound, errors.New("no such note"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// The two forms do the same for a browser that runs no script.

func (d *demo) addNoteByForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	if _, err := d.notes.add(r.PostFormValue("text")); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	http.Redirect(w, r, mount(r)+"/#notes", http.StatusSeeOther)
}

func (d *demo) deleteNoteByForm(w http.ResponseWriter, r *http.Request) {
	d.notes.remove(r.PathValue("id"))
	http.Redirect(w, r, mount(r)+"/#notes", http.StatusSeeOther)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}
