package host

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHandle_BadRegistrationPanics(t *testing.T) {
	name := app(func(http.ResponseWriter, *http.Request) {})
	assert.PanicsWithValue(t, "host: Handle: the name is empty", func() { Handle("", http.NotFoundHandler()) })
	assert.PanicsWithValue(t, `host: Handle: the handler of "x" is nil`, func() { Handle("x", nil) })
	assert.PanicsWithValue(t, `host: HandleFunc: the handler of "x" is nil`, func() { HandleFunc("x", nil) })
	assert.PanicsWithValue(t, `host: Handle: the name "`+name+`" is taken`, func() { Handle(name, http.NotFoundHandler()) })
	assert.Nil(t, lookup("x"))
	assert.NotNil(t, lookup(name))
}

func TestWatch_SeesEveryAppInOrder(t *testing.T) {
	a := app(http.NotFound)
	b := app(http.NotFound)
	var seen []string
	Watch(func(name string) { seen = append(seen, name) })
	c := app(http.NotFound)
	t.Cleanup(func() { apps.watchers = nil })
	assert.Equal(t, []string{a, b, c}, seen[len(seen)-3:])
	assert.Equal(t, names(), seen)
}
