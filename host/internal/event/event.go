// Package event reads the events that function services make of HTTP requests,
// and writes the replies they turn into responses. What a request means is
// package host's.
package event

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"strings"
)

// Kind is whose event it is.
type Kind int

// The kinds there are.
const (
	GatewayV2    Kind = iota + 1 // AWS API Gateway with payload 2.0, and function URLs
	GatewayV1                    // AWS API Gateway with payload 1.0
	LoadBalancer                 // AWS ALB
	JDCloud                      // JD Cloud's API gateway
)

// ErrUnknown is what Parse returns for an event of none of these.
var ErrUnknown = errors.New(`it has neither version "2.0" (AWS API Gateway 2), ` +
	`nor requestContext.accountId (AWS API Gateway 1), nor requestContext.elb (AWS ALB), ` +
	`nor detailType "ApiGatewayReceived" (JD Cloud)`)

// Request is the HTTP request of an event.
type Request struct {
	Kind   Kind
	Method string
	Script string // where the function is mounted: the stage, if the client sees it
	Path   string // below it, escaped
	Query  string // escaped
	Proto  string
	Host   string
	Port   string
	TLS    bool
	Remote string // the client's address

	AuthType, User string

	Headers Fields // but for Host, Content-Length and what concerns the connection
	Body    []byte

	multi bool // the reply has lists of values
}

// the parts of all kinds that are looked at
type raw struct {
	Version        string
	DetailType     string
	Detail         json.RawMessage
	RequestContext *struct {
		AccountID  *string
		ELB        *struct{}
		Stage      string
		Path       string
		Protocol   string
		DomainName string
		HTTP       struct{ Method, Path, Protocol, SourceIP string }
		Identity   struct{ SourceIP string }
	}

	RawPath, RawQueryString         string
	Path, HTTPMethod                string
	Cookies                         []string
	Headers, MultiValueHeaders      Fields
	QueryStringParameters           Fields
	MultiValueQueryStringParameters Fields
	Body                            *string
	IsBase64Encoded                 bool
}

// jdDetail is the request of a JD Cloud event.
type jdDetail struct {
	Path, HTTPMethod string
	Headers          Fields
	QueryParameters  Fields
	Body             *string
	RequestContext   struct {
		SourceIP string
		Identity struct{ User, AuthType string }
	}
}

// Parse reads an event.
func Parse(b []byte) (*Request, error) {
	var e raw
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	c := e.RequestContext
	switch {
	case e.Version == "2.0" && c != nil:
		return e.v2()
	case c != nil && c.AccountID != nil:
		return e.v1()
	case c != nil && c.ELB != nil:
		return e.alb()
	case e.DetailType == "ApiGatewayReceived":
		return jd(e.Detail)
	}
	return nil, ErrUnknown
}

func (e *raw) v2() (*Request, error) {
	c := e.RequestContext
	r := &Request{
		Kind: GatewayV2, Method: c.HTTP.Method, Path: e.RawPath, Query: e.RawQueryString,
		Proto: c.HTTP.Protocol, Host: c.DomainName, TLS: true, Remote: c.HTTP.SourceIP,
	}
	if stage := "/" + c.Stage; c.Stage != "" && (r.Path == stage || strings.HasPrefix(r.Path, stage+"/")) {
		r.Script, r.Path = stage, r.Path[len(stage):]
	}
	fields := e.Headers
	if len(e.Cookies) > 0 {
		fields = append(fields.without("Cookie"), [2]string{"Cookie", strings.Join(e.Cookies, "; ")})
	}
	return r, r.finish(fields, e.Body, e.IsBase64Encoded)
}

func (e *raw) v1() (*Request, error) {
	c := e.RequestContext
	r := &Request{
		Kind: GatewayV1, Method: e.HTTPMethod, Path: e.Path, Proto: c.Protocol,
		Host: c.DomainName, TLS: true, Remote: c.Identity.SourceIP, multi: true,
		Query: e.MultiValueQueryStringParameters.or(e.QueryStringParameters).query(url.QueryEscape),
	}
	if script, ok := strings.CutSuffix(c.Path, e.Path); ok && strings.HasPrefix(script, "/") && script != "/" {
		r.Script = script
	}
	return r, r.finish(e.MultiValueHeaders.or(e.Headers), e.Body, e.IsBase64Encoded)
}

func (e *raw) alb() (*Request, error) {
	r := &Request{
		Kind: LoadBalancer, Method: e.HTTPMethod, Path: e.Path, multi: e.MultiValueHeaders != nil,
		Query: e.MultiValueQueryStringParameters.or(e.QueryStringParameters).query(asItIs),
	}
	fields := e.MultiValueHeaders.or(e.Headers)
	forwarded := strings.Split(fields.last("X-Forwarded-For"), ",")
	r.Remote = strings.TrimSpace(forwarded[len(forwarded)-1]) // the one the balancer has added
	return r, r.finish(fields, e.Body, e.IsBase64Encoded)
}

func jd(detail json.RawMessage) (*Request, error) {
	var d jdDetail
	if err := json.Unmarshal(detail, &d); err != nil {
		return nil, fmt.Errorf("detail: %w", err)
	}
	r := &Request{
		Kind: JDCloud, Method: d.HTTPMethod, Path: d.Path, Query: d.QueryParameters.query(url.QueryEscape),
		Remote: d.RequestContext.SourceIP, AuthType: d.RequestContext.Identity.AuthType, User: d.RequestContext.Identity.User,
	}
	return r, r.finish(d.Headers, d.Body, false)
}

func asItIs(s string) string { return s }

// finish takes the header fields and the body.
func (r *Request) finish(fields Fields, body *string, encoded bool) error {
	if r.Method == "" {
		return errors.New("it has no method")
	}
	for _, f := range fields {
		switch textproto.CanonicalMIMEHeaderKey(f[0]) {
		case "Host":
			r.Host = f[1]
		case "X-Forwarded-Proto":
			r.TLS = strings.EqualFold(f[1], "https")
			r.Headers = append(r.Headers, f)
		case "X-Forwarded-Port":
			r.Port = f[1]
			r.Headers = append(r.Headers, f)
		case "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Expect":
			// of the client's connection to the gateway
		default:
			r.Headers = append(r.Headers, f)
		}
	}
	r.Path = escapePath(r.Path)
	if r.Proto == "" {
		r.Proto = "HTTP/1.1"
	}
	if r.Host == "" {
		r.Host = "localhost"
	}
	switch {
	case body == nil:
	case encoded:
		var err error
		if r.Body, err = base64.StdEncoding.DecodeString(*body); err != nil {
			return fmt.Errorf("the body: %w", err)
		}
	default:
		r.Body = []byte(*body)
	}
	return nil
}

// escapePath escapes what a path may not hold, and leaves escapes alone: some
// gateways tell the path decoded.
func escapePath(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c <= ' ' || c >= 0x7f || c == '?' || c == '#':
			fmt.Fprintf(&b, "%%%02X", c)
		case c == '%' && !(i+2 < len(path) && hex(path[i+1]) && hex(path[i+2])):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 || path[0] != '/' {
		return "/" + b.String()
	}
	return b.String()
}

func hex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
