// TLS in nginx: what handlers are told is what net/http tells them.

package test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pillion/test/behave"
)

// startNginxTLS is nginx by HTTP/1.1 over TLS.
func startNginxTLS(t *testing.T) *server {
	s := newAuthority(t).start(t, conf{}).server
	s.name = "nginx-tls"
	return s
}

// start starts c with TLS. The client has no certificate and speaks HTTP/1.1.
func (a *authority) start(t *testing.T, c conf) *nginx {
	t.Helper()
	c.listen += " ssl"
	c.http += "\n" + a.nginx()
	n := c.start(t)
	addr := "127.0.0.1:" + strconv.Itoa(n.port)
	n.server = newServer("nginx", "https://"+addr, dialTCP(addr), n.server.log)
	n.client.Transport.(*http.Transport).TLSClientConfig = a.clientConfig()
	n.dial = func() (net.Conn, error) {
		return tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", addr, a.clientConfig())
	}
	return n
}

// tlsOf asks for the state, on a connection of its own.
func tlsOf(t *testing.T, base string, config *tls.Config, protocol string) *behave.TLS {
	t.Helper()
	s := newServer(protocol, base, dialTCP(strings.TrimPrefix(base, "https://")), nil)
	defer s.client.CloseIdleConnections()
	transport := s.client.Transport.(*http.Transport)
	transport.TLSClientConfig = config
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
	transport.Protocols.SetHTTP2(protocol == "HTTP/2.0")
	var state *behave.TLS
	a := s.whole(t, "/tls")
	require.Equal(t, protocol, a.Proto)
	a.into(t, &state)
	require.NotNil(t, state)
	return state
}

func TestNginx_TLSFactsAreThoseOfNetHTTP(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	n := a.start(t, conf{
		listen: "http2",
		http:   "ssl_verify_client optional_no_ca; ssl_verify_depth 2; ssl_client_certificate " + a.dir + "/root.pem; ssl_session_cache shared:c:1m;",
	})
	returnsToBaseline(t, n.server)
	plain := func(auth tls.ClientAuthType) string {
		s := httptest.NewUnstartedServer(behave.Handler())
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{Certificates: []tls.Certificate{a.server}, ClientAuth: auth, ClientCAs: a.roots}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL
	}
	verifying, asking := plain(tls.VerifyClientCertIfGiven), plain(tls.RequestClientCert)

	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, c := range []struct {
			name   string
			oracle string
			config *tls.Config
		}{
			{"no_certificate", verifying, a.clientConfig()},
			{"verified_certificate", verifying, a.clientConfig(a.client)},
			{"certificate_of_a_stranger", asking, a.clientConfig(stranger.client)},
			{"tls_1.2", verifying, a.clientConfig(a.client)},
			{"no_server_name", verifying, a.clientConfig()},
		} {
			t.Run(protocol+"/"+c.name, func(t *testing.T) {
				switch c.name {
				case "tls_1.2":
					c.config.MaxVersion = tls.VersionTLS12
					c.config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
				case "no_server_name":
					c.config.ServerName = "127.0.0.1"
				}
				want, got := tlsOf(t, c.oracle, c.config.Clone(), protocol), tlsOf(t, n.base, c.config.Clone(), protocol)
				if want.Version == tls.VersionTLS13 {
					// Each server has its own order of preference.
					assert.NotZero(t, got.Suite)
					got.Suite = want.Suite
				}
				assert.Equal(t, want, got)
				assert.Equal(t, c.name == "verified_certificate" || c.name == "tls_1.2", len(got.Verified) > 0)
			})
		}
	}

	t.Run("resumed", func(t *testing.T) {
		config := a.clientConfig(a.client)
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		first := tlsOf(t, n.base, config, "HTTP/1.1")
		assert.False(t, first.Resume)
		again := tlsOf(t, n.base, config, "HTTP/1.1")
		assert.True(t, again.Resume)
		assert.Equal(t, []string{"client"}, again.Peer, "a session keeps the client's own certificate alone")
		assert.Equal(t, [][]string{{"client"}}, again.Verified)
	})
}

func TestNginx_CertificateMayBeKeptFromTheApplication(t *testing.T) {
	a := newAuthority(t)
	n := a.start(t, conf{
		http:   "ssl_verify_client on; ssl_verify_depth 2; ssl_client_certificate " + a.dir + "/root.pem;",
		server: `location / { pillion_pass behave; pillion_param SSL_CLIENT_CERT ""; }`,
	})
	n.client.Transport.(*http.Transport).TLSClientConfig = a.clientConfig(a.client)
	var f behave.Facts
	n.get(t, "/facts/x").into(t, &f)
	assert.Equal(t, "SUCCESS", f.Variable("SSL_CLIENT_VERIFY"))
	for _, pair := range f.Environ {
		assert.NotContains(t, string(pair[1]), "BEGIN CERTIFICATE", string(pair[0]))
	}
}
