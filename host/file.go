// Responses that the server sends from a file.

package host

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// A fileSource is a file as io.Copy and io.CopyN pass it on.
type fileSource struct {
	file    statFile
	limited *io.LimitedReader // nil if all of the file is meant
}

// statFile is not *os.File, which its own WriteTo method wraps.
type statFile interface {
	File
	io.Seeker
	Stat() (os.FileInfo, error)
}

func toFileSource(src io.Reader) (f fileSource, ok bool) {
	if limited, is := src.(*io.LimitedReader); is {
		f.limited, src = limited, limited.R
	}
	f.file, ok = src.(statFile)
	return f, ok
}

// next returns where the next stretch begins and how long it is at present, 0
// if it is better read: what fits into one read is, and what cannot be read to
// the end that the file's size promises, as in /sys.
func (f *fileSource) next() (offset, length int64) {
	info, err := f.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, 0
	}
	if offset, err = f.file.Seek(0, io.SeekCurrent); err != nil {
		return 0, 0
	}
	length = info.Size() - offset
	if f.limited != nil {
		length = min(length, f.limited.N)
	}
	if length <= copyLen {
		return 0, 0
	}
	if n, _ := f.file.ReadAt(make([]byte, 1), offset+length-1); n == 0 {
		return 0, 0
	}
	return offset, length
}

// advance is what reading n bytes from offset on would have done.
func (f *fileSource) advance(offset, n int64) {
	f.file.Seek(offset+n, io.SeekStart)
	if f.limited != nil {
		f.limited.N -= n
	}
}

// sendFile has the server send what there is of a file, as long as that is
// worth it; the rest is for the caller to read.
func (w *response) sendFile(f fileSource) (n int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if !w.files || w.isHead {
			return n, nil
		}
		offset, length := f.next()
		if length == 0 {
			return n, nil
		}
		if err := w.shut(); err != nil {
			return n, err
		}
		if !w.wroteHeader {
			w.writeHeader(http.StatusOK)
		}
		if !bodyAllowed(w.status) {
			return n, http.ErrBodyNotAllowed
		}
		var full error
		if room := w.length - w.written; w.length >= 0 && length > room {
			length, full = max(room, 0), http.ErrContentLength
		}
		if length > 0 {
			sent, err := w.sendStretch(f.file, offset, length)
			if errors.Is(err, errors.ErrUnsupported) {
				return n, nil
			}
			f.advance(offset, sent)
			n += sent
			if err != nil {
				return n, err
			}
		}
		if full != nil {
			return n, full
		}
	}
}

// sendStretch sends what has been collected, then a stretch of a file, and
// returns how many of the file's bytes went out.
func (w *response) sendStretch(file File, offset, length int64) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	p := Part{Body: w.pending(), File: file, Offset: offset, Length: length}
	s := w.work()
	before := s.head
	if !w.sentHead {
		w.complete(w.sample(file, offset), false)
		p.Status, p.Headers = w.status, s.head.pairs
	}
	part := &s.part
	*part = p
	err := w.s.x.Send(part)
	sent := max(part.Sent-int64(w.buffered), 0)
	*part = Part{}
	if errors.Is(err, errors.ErrUnsupported) {
		w.files, s.head = false, before
		return 0, err
	}
	w.sentHead, w.unflushed, w.buffered = true, true, 0
	w.written += sent
	w.accepted += sent
	w.fail(err)
	return sent, err
}

// sample is what tells the type of a body: what has been collected, and the
// file's first bytes.
func (w *response) sample(file File, offset int64) []byte {
	if w.buffered >= sniffLen || w.work().head.hasType {
		return w.pending()
	}
	sample := make([]byte, sniffLen)
	at := copy(sample, w.pending())
	n, _ := file.ReadAt(sample[at:], offset)
	return sample[:at+n]
}
