// What a request tells of its TLS connection.

package host

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strconv"
)

// tlsFacts are the variables that tell of a TLS connection, under the names of
// Apache's mod_ssl; it has none for the ALPN protocol and the verified chain.
type tlsFacts struct {
	protocol, cipher, name, alpn, cert string

	resumed, verified bool
}

func (f *tlsFacts) read(name, v string) {
	switch name {
	case "SSL_PROTOCOL":
		f.protocol = v
	case "SSL_CIPHER":
		f.cipher = v
	case "SSL_SERVER_NAME", "SSL_TLS_SNI":
		f.name = v
	case "SSL_ALPN_PROTOCOL":
		f.alpn = v
	case "SSL_SESSION_RESUMED":
		f.resumed = v == "Resumed"
	case "SSL_CLIENT_VERIFY":
		f.verified = v == "SUCCESS"
	case "SSL_CLIENT_CERT":
		f.cert = v
	}
}

var tlsVersions = map[string]uint16{
	"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11,
	"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
}

// opensslCiphers gives the suites under OpenSSL's names; those of TLS 1.3 have
// the same name everywhere.
var opensslCiphers = map[string]uint16{
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-AES128-SHA256":       tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-ECDSA-AES128-SHA256":     tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
	"ECDHE-RSA-AES128-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	"ECDHE-ECDSA-AES128-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
	"ECDHE-RSA-AES256-SHA":          tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	"ECDHE-ECDSA-AES256-SHA":        tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	"AES128-GCM-SHA256":             tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	"AES256-GCM-SHA384":             tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	"AES128-SHA256":                 tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	"AES128-SHA":                    tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	"AES256-SHA":                    tls.TLS_RSA_WITH_AES_256_CBC_SHA,
	"TLS_AES_128_GCM_SHA256":        tls.TLS_AES_128_GCM_SHA256,
	"TLS_AES_256_GCM_SHA384":        tls.TLS_AES_256_GCM_SHA384,
	"TLS_CHACHA20_POLY1305_SHA256":  tls.TLS_CHACHA20_POLY1305_SHA256,
}

// state is what the variables tell; what they do not is zero. As in net/http
// PeerCertificates is what the client sent, whether the server could verify it
// or not, and VerifiedChains is there only if it has: one chain, that ends with
// the client's own certificate where the server does not tell how it got on to
// a root. Certificates that cannot be parsed are taken for not sent.
func (f *tlsFacts) state(r *http.Request, environ []Pair) *tls.ConnectionState {
	state := &tls.ConnectionState{
		HandshakeComplete:  true,
		Version:            tlsVersions[f.protocol],
		CipherSuite:        opensslCiphers[f.cipher],
		ServerName:         f.name,
		NegotiatedProtocol: f.alpn,
		DidResume:          f.resumed,
	}
	if f.alpn == "" && r.ProtoMajor == 2 {
		state.NegotiatedProtocol = "h2"
	}
	leaf := clientCertificates.parse(f.cert)
	if leaf == nil {
		return state
	}
	state.PeerCertificates = certificates(leaf, environ, "SSL_CLIENT_CERT_CHAIN_")
	if f.verified {
		state.VerifiedChains = [][]*x509.Certificate{certificates(leaf, environ, "SSL_CLIENT_VERIFIED_CHAIN_")}
	}
	return state
}

// certificates returns leaf and those of the variables prefix0, prefix1, ...
func certificates(leaf *x509.Certificate, environ []Pair, prefix string) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for {
		cert := clientCertificates.parse(variable(environ, prefix+strconv.Itoa(len(chain)-1)))
		if cert == nil {
			return chain
		}
		chain = append(chain, cert)
	}
}

func variable(environ []Pair, name string) string {
	for i := range environ {
		if environ[i].Name == name {
			return environ[i].Value
		}
	}
	return ""
}
