package apps

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The procedures, which take and give the well-known wrapper types so that no
// code has to be generated.
const (
	Upper = "/test.Words/Upper" // a word in capitals
	Count = "/test.Words/Count" // a stream of 1 to the number asked for
)

func connectApp() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(Upper, connect.NewUnaryHandler(Upper,
		func(_ context.Context, req *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
			if req.Msg.Value == "" {
				return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("no word"))
			}
			b := []byte(req.Msg.Value)
			for i, c := range b {
				if 'a' <= c && c <= 'z' {
					b[i] = c - 'a' + 'A'
				}
			}
			res := connect.NewResponse(wrapperspb.String(string(b)))
			res.Header().Set("X-Asked-By", req.Header().Get("X-Asker"))
			res.Trailer().Set("X-Length", string(rune('0'+len(b)%10)))
			return res, nil
		}))
	mux.Handle(Count, connect.NewServerStreamHandler(Count,
		func(_ context.Context, req *connect.Request[wrapperspb.Int64Value], stream *connect.ServerStream[wrapperspb.Int64Value]) error {
			stream.ResponseHeader().Set("X-Counts", "yes")
			for i := range req.Msg.Value {
				if err := stream.Send(wrapperspb.Int64(i + 1)); err != nil {
					return err
				}
			}
			stream.ResponseTrailer().Set("X-Last", "yes")
			if req.Msg.Value == 13 {
				return connect.NewError(connect.CodeAborted, errors.New("unlucky"))
			}
			return nil
		}))
	return mux
}
