// Certificates of clients: parsed once, as net/http parses them once for a
// connection.

package host

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
)

// certificateCache holds certificates by the text they came as. Applications
// share them, and may not change them; nor may they in net/http, where package
// tls shares them too.
type certificateCache struct {
	mu     sync.Mutex
	parsed map[string]*x509.Certificate
}

// Whoever sends many certificates makes the cache lose some, but not grow.
const (
	maxCertificates   = 256
	maxCertificateLen = 16 << 10
)

var clientCertificates certificateCache

// parse returns the certificate, nil if the text is none.
func (c *certificateCache) parse(text string) *x509.Certificate {
	if text == "" {
		return nil
	}
	c.mu.Lock()
	cert := c.parsed[text]
	c.mu.Unlock()
	if cert != nil {
		return cert
	}
	cert = parseCertificate(text)
	if cert == nil || len(text) > maxCertificateLen {
		return cert
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if same := c.parsed[text]; same != nil {
		return same // another request's was quicker
	}
	if c.parsed == nil {
		c.parsed = make(map[string]*x509.Certificate)
	}
	if len(c.parsed) >= maxCertificates {
		for other := range c.parsed { // in random order
			delete(c.parsed, other)
			break
		}
	}
	c.parsed[strings.Clone(text)] = cert // the text is part of a request's
	return cert
}

func parseCertificate(text string) *x509.Certificate {
	// nginx's own variables indent the lines after the first with a tab.
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, "\n\t", "\n")))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return cert
}
