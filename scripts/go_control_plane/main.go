// A control plane on go-control-plane that does what a script tells it: a JSON command a line on stdin, a JSON event a line on
// stdout. One process answers state of the world and delta, aggregated and per type, and REST, from the same snapshot.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	extensionservice "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	runtimeservice "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
)

// everybody is the one group of nodes there is.
const everybody = "all"

type oneGroup struct{}

func (oneGroup) ID(*core.Node) string { return everybody }

// event is what the script is told.
type event struct {
	Event string `json:"event"`
	// Of `request`.
	Stream      int64             `json:"stream,omitempty"`
	Type        string            `json:"type,omitempty"`
	Version     string            `json:"version,omitempty"`
	Nonce       string            `json:"nonce,omitempty"`
	Names       []string          `json:"names,omitempty"`
	Unsubscribe []string          `json:"unsubscribe,omitempty"`
	Initial     map[string]string `json:"initial,omitempty"`
	Node        string            `json:"node,omitempty"`
	Error       string            `json:"error,omitempty"`
	// Of `ready`.
	Grpc int `json:"grpc,omitempty"`
	Rest int `json:"rest,omitempty"`
}

var outLock sync.Mutex

func tell(e event) {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	outLock.Lock()
	defer outLock.Unlock()
	fmt.Println(string(text))
}

func errorText(s *status.Status) string {
	if s == nil {
		return ""
	}
	return s.Message
}

// few keeps the events of a large push readable.
func few(names []string) []string {
	if len(names) > 20 {
		return append(append([]string{}, names[:20]...), fmt.Sprintf("and %d more", len(names)-20))
	}
	return names
}

func sotwEvent(stream int64, r *discovery.DiscoveryRequest) event {
	return event{
		Event: "request", Stream: stream, Type: r.TypeUrl, Version: r.VersionInfo, Nonce: r.ResponseNonce,
		Names: few(r.ResourceNames), Node: r.GetNode().GetId(), Error: errorText(r.ErrorDetail),
	}
}

func callbacks() server.CallbackFuncs {
	return server.CallbackFuncs{
		StreamOpenFunc: func(_ context.Context, id int64, url string) error {
			tell(event{Event: "open", Stream: id, Type: url})
			return nil
		},
		StreamClosedFunc: func(id int64, _ *core.Node) { tell(event{Event: "closed", Stream: id}) },
		DeltaStreamOpenFunc: func(_ context.Context, id int64, url string) error {
			tell(event{Event: "open", Stream: id, Type: url})
			return nil
		},
		DeltaStreamClosedFunc: func(id int64, _ *core.Node) { tell(event{Event: "closed", Stream: id}) },
		StreamRequestFunc: func(id int64, r *discovery.DiscoveryRequest) error {
			tell(sotwEvent(id, r))
			return nil
		},
		FetchRequestFunc: func(_ context.Context, r *discovery.DiscoveryRequest) error {
			tell(sotwEvent(0, r))
			return nil
		},
		StreamDeltaRequestFunc: func(id int64, r *discovery.DeltaDiscoveryRequest) error {
			initial := r.InitialResourceVersions
			if len(initial) > 20 {
				initial = map[string]string{"count": fmt.Sprint(len(initial))}
			}
			tell(event{
				Event: "request", Stream: id, Type: r.TypeUrl, Nonce: r.ResponseNonce, Names: few(r.ResourceNamesSubscribe),
				Unsubscribe: few(r.ResourceNamesUnsubscribe), Initial: initial, Node: r.GetNode().GetId(), Error: errorText(r.ErrorDetail),
			})
			return nil
		},
	}
}

func register(s *grpc.Server, srv server.Server) {
	discovery.RegisterAggregatedDiscoveryServiceServer(s, srv)
	clusterservice.RegisterClusterDiscoveryServiceServer(s, srv)
	endpointservice.RegisterEndpointDiscoveryServiceServer(s, srv)
	listenerservice.RegisterListenerDiscoveryServiceServer(s, srv)
	routeservice.RegisterRouteDiscoveryServiceServer(s, srv)
	secretservice.RegisterSecretDiscoveryServiceServer(s, srv)
	runtimeservice.RegisterRuntimeDiscoveryServiceServer(s, srv)
	extensionservice.RegisterExtensionConfigDiscoveryServiceServer(s, srv)
}

// listen waits for the port of a process that was just killed.
func listen(port int) net.Listener {
	for tries := 0; ; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return l
		}
		if tries > 100 {
			panic(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func serveRest(l net.Listener, srv server.Server) {
	gateway := server.HTTPGateway{Server: srv}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, code, err := gateway.ServeHTTP(r)
		if err != nil {
			http.Error(w, err.Error(), code)
			return
		}
		w.Header().Set("content-type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write(body)
	})
	_ = http.Serve(l, handler)
}

func main() {
	grpcPort := flag.Int("grpc", 0, "port for gRPC; 0: any")
	restPort := flag.Int("rest", 0, "port for REST; 0: any")
	ads := flag.Bool("ads", true, "answer named resources only once all of them are asked for, as an aggregated server should")
	heartbeat := flag.Duration("heartbeat", 0, "how often resources with a time to live are renewed; 0: never")
	flag.Parse()
	var snapshots cache.SnapshotCache
	if *heartbeat > 0 {
		snapshots = cache.NewSnapshotCacheWithHeartbeating(context.Background(), *ads, oneGroup{}, nil, *heartbeat)
	} else {
		snapshots = cache.NewSnapshotCache(*ads, oneGroup{}, nil)
	}
	srv := server.NewServer(context.Background(), snapshots, callbacks())
	grpcServer := grpc.NewServer(grpc.MaxConcurrentStreams(1000))
	register(grpcServer, srv)
	grpcListener, restListener := listen(*grpcPort), listen(*restPort)
	go func() { panic(grpcServer.Serve(grpcListener)) }()
	go serveRest(restListener, srv)
	tell(event{
		Event: "ready", Grpc: grpcListener.Addr().(*net.TCPAddr).Port, Rest: restListener.Addr().(*net.TCPAddr).Port,
	})
	script := bufio.NewScanner(os.Stdin)
	script.Buffer(nil, 1<<28)
	held := map[string][]types.ResourceWithTTL{}
	for script.Scan() {
		if err := run(script.Bytes(), held, snapshots); err != nil {
			tell(event{Event: "failed", Error: err.Error()})
			continue
		}
		tell(event{Event: "done"})
	}
}
