"""Servers that were written elsewhere, for tests/it/real_servers.rs: httpbin under waitress, websockets, and gRPC with its health service.

Called with a folder: writes certificates into it, serves on ports that the system chooses, prints them as one line of JSON, and ends when its
standard input does.
"""

import datetime
import json
import pathlib
import sys
import threading
from concurrent import futures

import grpc
import httpbin
import trustme
import waitress
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


def certificates(folder):
    now = datetime.datetime.now(datetime.timezone.utc)
    days = lambda number: now + datetime.timedelta(days=number)
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    issued = {
        "valid": authority.issue_cert("localhost", not_after=days(90)),
        "short": authority.issue_cert("localhost", not_after=days(3)),
        "expired": authority.issue_cert("localhost", not_before=days(-30), not_after=days(-1)),
        "early": authority.issue_cert("localhost", not_before=days(1), not_after=days(30)),
        "other": authority.issue_cert("other.example", not_after=days(90)),
        "untrusted": stranger.issue_cert("localhost", not_after=days(90)),
    }
    for name, certificate in issued.items():
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")


def talk(socket):
    path = socket.request.path
    try:
        if path == "/greet":
            socket.send(json.dumps({"hello": "stranger"}))
            socket.ping()
        if path == "/count":
            for number in range(1, 4):
                socket.send(json.dumps({"number": number, "last": number == 3}))
        if path == "/leave":
            socket.send("one moment")
            socket.close(1008, "not you")
        for message in socket:
            if path != "/silent":
                socket.send(message)
    except ConnectionClosed:
        pass


def turn_away(socket, request):
    if request.path == "/private" and "Authorization" not in request.headers:
        return socket.respond(403, "no token\n")


def grpc_server(servicer=None):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    if servicer:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main():
    certificates(pathlib.Path(sys.argv[1]))
    web = waitress.create_server(httpbin.app, listen="127.0.0.1:0", threads=16)
    sockets = serve(talk, "127.0.0.1", 0, process_request=turn_away)
    servicer = health.HealthServicer()
    serving = health_pb2.HealthCheckResponse.ServingStatus
    for service, status in [
        ("", serving.SERVING),
        ("chat.v1.Orchestrator", serving.SERVING),
        ("chat.v1.Search", serving.NOT_SERVING),
        ("chat.v1.New", serving.UNKNOWN),
    ]:
        servicer.set(service, status)
    healthy, grpc_port = grpc_server(servicer)
    bare, bare_port = grpc_server()
    for server in (web.run, sockets.serve_forever):
        threading.Thread(target=server, daemon=True).start()
    ports = {
        "HTTPBIN": int(web.effective_port),
        "WEBSOCKETS": sockets.socket.getsockname()[1],
        "GRPC": grpc_port,
        "BARE_GRPC": bare_port,
    }
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
    for server in (healthy, bare):
        server.stop(None)


main()
