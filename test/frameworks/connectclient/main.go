// Command connectclient calls the procedures of package apps at a base URL over
// unencrypted HTTP/2, in each of the three protocols Connect speaks, and prints
// what it gets.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pillion/test/frameworks/apps"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport}
	for _, protocol := range []struct {
		name    string
		options []connect.ClientOption
	}{
		{"connect", nil},
		{"connect, JSON", []connect.ClientOption{connect.WithProtoJSON()}},
		{"gRPC", []connect.ClientOption{connect.WithGRPC()}},
		{"gRPC-Web", []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		fmt.Println(protocol.name)
		upper := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](client, os.Args[1]+apps.Upper, protocol.options...)
		for _, word := range []string{"word", ""} {
			req := connect.NewRequest(wrapperspb.String(word))
			req.Header().Set("X-Asker", "a test")
			res, err := upper.CallUnary(ctx, req)
			if err != nil {
				fmt.Println("  upper:", err)
				continue
			}
			fmt.Println("  upper:", res.Msg.Value, res.Header().Get("X-Asked-By"), res.Trailer().Get("X-Length"))
		}
		count := connect.NewClient[wrapperspb.Int64Value, wrapperspb.Int64Value](client, os.Args[1]+apps.Count, protocol.options...)
		for _, n := range []int64{5, 2000, 13} {
			stream, err := count.CallServerStream(ctx, connect.NewRequest(wrapperspb.Int64(n)))
			if err != nil {
				log.Fatal(err)
			}
			var messages, sum int64
			for stream.Receive() {
				messages++
				sum += stream.Msg().Value
			}
			fmt.Println("  count:", messages, sum, stream.Err(), stream.ResponseHeader().Get("X-Counts"), stream.ResponseTrailer().Get("X-Last"))
			stream.Close()
		}
	}
}
