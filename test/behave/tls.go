// What an application sees of TLS.

package behave

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
)

// TLS is the connection state of a request, certificates by their subjects.
type TLS struct {
	Version, Suite   uint16
	Name, Protocol   string
	Complete, Resume bool
	Peer             []string
	Verified         [][]string
}

// serveTLS answers with the TLS of the request, null without TLS.
func serveTLS(w http.ResponseWriter, r *http.Request) {
	var state *TLS
	if s := r.TLS; s != nil {
		state = &TLS{
			Version: s.Version, Suite: s.CipherSuite, Name: s.ServerName, Protocol: s.NegotiatedProtocol,
			Complete: s.HandshakeComplete, Resume: s.DidResume, Peer: subjects(s.PeerCertificates),
		}
		for _, chain := range s.VerifiedChains {
			state.Verified = append(state.Verified, subjects(chain))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(state)
}

func subjects(certificates []*x509.Certificate) (names []string) {
	for _, c := range certificates {
		names = append(names, c.Subject.CommonName)
	}
	return names
}
