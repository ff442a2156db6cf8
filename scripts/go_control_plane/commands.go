package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	// What resources carry in their Any fields.
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tls "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	runtime "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// command is a line of the script: the named types are replaced whole, the others stay as they are.
type command struct {
	Version   string                       `json:"version"`
	Resources map[string][]json.RawMessage `json:"resources"`
	// Seconds the resources of the command are good for; 0: for ever.
	TTL float64 `json:"ttl"`
	// Many clusters by ADS, each with its endpoints: made here, for a push that is too large for a line.
	Generate *generate `json:"generate"`
}

type generate struct {
	// Clusters `c0` to `c<Clusters-1>`.
	Clusters  int `json:"clusters"`
	Endpoints int `json:"endpoints"`
	Port      int `json:"port"`
	// The cluster whose endpoints have another port: [number, port].
	Changed []int `json:"changed"`
}

var kinds = map[string]struct {
	url  string
	make func() types.Resource
}{
	"clusters":  {resource.ClusterType, func() types.Resource { return &cluster.Cluster{} }},
	"endpoints": {resource.EndpointType, func() types.Resource { return &endpoint.ClusterLoadAssignment{} }},
	"listeners": {resource.ListenerType, func() types.Resource { return &listener.Listener{} }},
	"routes":    {resource.RouteType, func() types.Resource { return &route.RouteConfiguration{} }},
	"secrets":   {resource.SecretType, func() types.Resource { return &tls.Secret{} }},
	"runtimes":  {resource.RuntimeType, func() types.Resource { return &runtime.Runtime{} }},
	"extensions": {
		resource.ExtensionConfigType, func() types.Resource { return &core.TypedExtensionConfig{} },
	},
}

func run(line []byte, held map[string][]types.ResourceWithTTL, snapshots cache.SnapshotCache) error {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	var ttl *time.Duration
	if c.TTL > 0 {
		d := time.Duration(c.TTL * float64(time.Second))
		ttl = &d
	}
	for name, list := range c.Resources {
		kind, ok := kinds[name]
		if !ok {
			return fmt.Errorf("unknown kind of resources %s", name)
		}
		resources := make([]types.ResourceWithTTL, 0, len(list))
		for _, text := range list {
			message := kind.make()
			if err := protojson.Unmarshal(text, message.(proto.Message)); err != nil {
				return err
			}
			resources = append(resources, types.ResourceWithTTL{Resource: message, TTL: ttl})
		}
		held[kind.url] = resources
	}
	if c.Generate != nil {
		held[resource.ClusterType], held[resource.EndpointType] = generated(c.Generate)
	}
	snapshot, err := cache.NewSnapshotWithTTLs(c.Version, held)
	if err != nil {
		return err
	}
	return snapshots.SetSnapshot(context.Background(), everybody, snapshot)
}

func generated(g *generate) (clusters, endpoints []types.ResourceWithTTL) {
	for i := 0; i < g.Clusters; i++ {
		port := g.Port
		if len(g.Changed) == 2 && g.Changed[0] == i {
			port = g.Changed[1]
		}
		name := fmt.Sprintf("c%d", i)
		clusters = append(clusters, types.ResourceWithTTL{Resource: edsCluster(name)})
		endpoints = append(endpoints, types.ResourceWithTTL{Resource: assignment(name, i*g.Endpoints, g.Endpoints, port)})
	}
	return clusters, endpoints
}

func edsCluster(name string) *cluster.Cluster {
	return &cluster.Cluster{
		Name:                 name,
		ConnectTimeout:       durationpb.New(time.Second),
		ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: &core.ConfigSource{
			ResourceApiVersion:    core.ApiVersion_V3,
			ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}},
		}},
	}
}

// assignment takes addresses of 127.0.0.0/8, which are all this machine.
func assignment(name string, first, count, port int) *endpoint.ClusterLoadAssignment {
	hosts := make([]*endpoint.LbEndpoint, 0, count)
	for n := first; n < first+count; n++ {
		host := fmt.Sprintf("127.%d.%d.%d", 1+n>>16, n>>8&255, n&255)
		hosts = append(hosts, &endpoint.LbEndpoint{HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{
			Address: &core.Address{Address: &core.Address_SocketAddress{SocketAddress: &core.SocketAddress{
				Address:       host,
				PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(port)},
			}}},
		}}})
	}
	return &endpoint.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints:   []*endpoint.LocalityLbEndpoints{{LbEndpoints: hosts}},
	}
}
