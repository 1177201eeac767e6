// The file wrapper: a body from a file, by the server's sendfile where it can.

package host

import (
	"io"
	"iter"
)

// fileBlock is how much of a file a block holds that has to be read.
const fileBlock = 64 << 10

// FileWrapper is the sequence of the bytes of src from where it stands to its end, to
// be returned by an App; w is what StartResponse has returned to it. It is PEP
// 3333's file wrapper: if w has a ReadFrom, as a server's has, src is handed to
// it, and an *os.File, or an *io.LimitedReader of one, is sent without passing
// through the program where the server can do that. Otherwise it is read and
// becomes blocks. Nothing is sent beyond a Content-Length. If src has a Close it is
// closed when the sequence ends or is stopped.
func FileWrapper(w io.Writer, src io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if c, ok := src.(io.Closer); ok {
			defer c.Close()
		}
		if to, ok := w.(io.ReaderFrom); ok {
			if _, err := to.ReadFrom(src); err != nil {
				yield(nil, err)
			}
			return
		}
		for {
			block := make([]byte, fileBlock)
			n, err := src.Read(block)
			switch {
			case n > 0 && !yield(block[:n], nil), err == io.EOF:
				return
			case err != nil:
				yield(nil, err)
				return
			}
		}
	}
}
