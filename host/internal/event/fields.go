// Names and values as events have them: an object of strings, or of lists.

package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/textproto"
	"strings"
)

// Fields are names and values in order, with repetitions.
type Fields [][2]string

// UnmarshalJSON takes an object whose values are strings, or lists of them.
func (f *Fields) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	open, err := d.Token()
	if err != nil {
		return err
	}
	if open == nil {
		return nil
	}
	if open != json.Delim('{') {
		return fmt.Errorf("not an object: %.20s", b)
	}
	*f = Fields{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			switch v := v.(type) {
			case nil:
			case string, bool, json.Number:
				*f = append(*f, [2]string{name.(string), fmt.Sprint(v)})
			default:
				return fmt.Errorf("the value of %q is neither a string nor a list of strings", name)
			}
		}
	}
	return nil
}

// or is f, or other if f was not there.
func (f Fields) or(other Fields) Fields {
	if f == nil {
		return other
	}
	return f
}

// without is f without a name.
func (f Fields) without(name string) Fields {
	var left Fields
	for _, p := range f {
		if textproto.CanonicalMIMEHeaderKey(p[0]) != name {
			left = append(left, p)
		}
	}
	return left
}

// last is the last value of a name, or "".
func (f Fields) last(name string) (value string) {
	for _, p := range f {
		if textproto.CanonicalMIMEHeaderKey(p[0]) == name {
			value = p[1]
		}
	}
	return value
}

// query makes a query string.
func (f Fields) query(escape func(string) string) string {
	var b strings.Builder
	for i, p := range f {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(p[0]) + "=" + escape(p[1]))
	}
	return b.String()
}
