// TLS for the servers: an authority, and what it has signed.

package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority is a root, an intermediate signed by it, and certificates signed by
// the intermediate: the server's, and a client's.
type authority struct {
	dir            string // root.pem, server.pem (with the intermediate) and server.key
	roots          *x509.CertPool
	server, client tls.Certificate
}

type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	root := sign(t, nil, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true})
	between := sign(t, root, &x509.Certificate{Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true})
	server := sign(t, between, &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"localhost", "sni.example"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	client := sign(t, between, &x509.Certificate{
		Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	a := &authority{
		dir: tempDir(t, "certificates"), roots: x509.NewCertPool(),
		server: certificate(server, between), client: certificate(client, between),
	}
	a.roots.AddCert(root.cert)

	key, err := x509.MarshalPKCS8PrivateKey(server.key)
	require.NoError(t, err)
	for name, blocks := range map[string][]*pem.Block{
		"root.pem":   {{Type: "CERTIFICATE", Bytes: root.cert.Raw}},
		"server.pem": {{Type: "CERTIFICATE", Bytes: server.cert.Raw}, {Type: "CERTIFICATE", Bytes: between.cert.Raw}},
		"server.key": {{Type: "PRIVATE KEY", Bytes: key}},
	} {
		var text []byte
		for _, b := range blocks {
			text = append(text, pem.EncodeToMemory(b)...)
		}
		require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), text, 0o644))
	}
	return a
}

// sign makes a key and a certificate for it, signed by whom, or by itself.
func sign(t *testing.T, by *signer, template *x509.Certificate) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.IsCA {
		template.KeyUsage, template.BasicConstraintsValid = x509.KeyUsageCertSign, true
	}
	parent, signing := template, key
	if by != nil {
		parent, signing = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signing)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &signer{cert, key}
}

func certificate(s, issuer *signer) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{s.cert.Raw, issuer.cert.Raw}, PrivateKey: s.key}
}

// nginx is what a server block needs for TLS.
func (a *authority) nginx() string {
	return "ssl_certificate " + a.dir + "/server.pem; ssl_certificate_key " + a.dir + "/server.key; ssl_protocols TLSv1.2 TLSv1.3;\n"
}

// clientConfig is that of a client that knows the authority.
func (a *authority) clientConfig(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: a.roots, ServerName: "sni.example", Certificates: certificates}
}
