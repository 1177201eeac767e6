// Names and values, eight octets at a time.

package host

import (
	"math/rand/v2"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFieldName_IsThatOfNetHTTP(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const usual, any = "AZaz09--", "AZaz09--@[`{/:.,_ \x00\x7f\x80\xad\xff"
	for range 200000 {
		letters := usual
		if random.IntN(4) == 0 {
			letters = any
		}
		b := make([]byte, 1+random.IntN(25))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		name := string(b)
		if random.IntN(2) == 0 {
			name = textproto.CanonicalMIMEHeaderKey(name)
		}
		canonical, ok := fieldName(name)
		require.Equal(t, validToken(name), ok, "%q", name)
		if ok {
			require.Equal(t, textproto.CanonicalMIMEHeaderKey(name), canonical, "%q", name)
		}
	}
}

func TestPlainName_KnowsTheUsual(t *testing.T) {
	for _, name := range commonNames {
		if len(name) >= 8 {
			assert.True(t, plainName(name), name)
		}
	}
	assert.True(t, plainName("X-Header-12-3a-4"))
}

func TestValidValue_EachOctetInEachPlace(t *testing.T) {
	for length := 1; length <= 26; length++ {
		for at := range length {
			for c := range 256 {
				b := []byte(strings.Repeat("\xffa ", 9)[:length])
				b[at] = byte(c)
				require.Equal(t, c >= ' ' && c != 0x7f || c == '\t', validValue(string(b)), "%q", b)
			}
		}
	}
}

func TestRequest_RepeatedFieldsKeepTheirOrder(t *testing.T) {
	m := request("", "GET", "/")
	m.Headers = []Pair{{"Host", "localhost"}}
	for i := range 40 {
		n := strconv.Itoa(i)
		m.Headers = append(m.Headers, Pair{"X-Once-" + n, n}, Pair{"x-again", n}, Pair{"Proxy", n})
	}
	m.Headers = append(m.Headers, Pair{"X-Once-7", "7 again"})
	r, refused := requestOf(m)
	require.Nil(t, refused)
	assert.Len(t, r.Header, 41)
	assert.Len(t, r.Header["X-Again"], 40)
	for i, n := range r.Header["X-Again"] {
		assert.Equal(t, strconv.Itoa(i), n)
	}
	assert.Equal(t, []string{"7", "7 again"}, r.Header["X-Once-7"])
	assert.Equal(t, []string{"8"}, r.Header["X-Once-8"])

	m.Headers = append(m.Headers, Pair{"host", "localhost"})
	_, refused = requestOf(m)
	assert.Equal(t, "more than one Host header", refused.reason)
}
