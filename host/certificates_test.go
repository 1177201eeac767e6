// Certificates of clients.

package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newCertificate makes one, in PEM.
func newCertificate(t testing.TB, serial int64) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(serial)}, &x509.Certificate{}, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCertificateCache_ParsesOnce(t *testing.T) {
	var c certificateCache
	one, other := newCertificate(t, 1), newCertificate(t, 2)
	found := make([]*x509.Certificate, 40)
	var wg sync.WaitGroup
	for i := range found {
		wg.Go(func() { found[i] = c.parse(strings.Clone([]string{one, other}[i%2])) })
	}
	wg.Wait()
	for i, cert := range found {
		assert.EqualValues(t, i%2+1, cert.SerialNumber.Int64())
		assert.Same(t, found[i%2], cert)
	}
	assert.Len(t, c.parsed, 2)
}

func TestCertificateCache_KeepsNothingThatIsNoneAndNothingLarge(t *testing.T) {
	var c certificateCache
	for _, text := range []string{"", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		assert.Nil(t, c.parse(text))
	}
	large := strings.Repeat("before the certificate\n", 1000) + newCertificate(t, 1)
	assert.NotNil(t, c.parse(large))
	assert.Empty(t, c.parsed)
}

func TestCertificateCache_DoesNotGrow(t *testing.T) {
	var c certificateCache
	for i := range int64(2 * maxCertificates) {
		assert.EqualValues(t, i, c.parse(newCertificate(t, i)).SerialNumber.Int64())
	}
	assert.Len(t, c.parsed, maxCertificates)
}
