#!/usr/bin/python3
"""Servers and clients of the three declared framings, as people write them with
struct and socket. servers.py NAME runs one session on loopback."""
import json
import socket
import struct
import sys
import threading
import zlib

MAGIC = 0xCAFEBABE


def content(n, seed):
    """n bytes that are the same every time."""
    out, x = bytearray(), seed
    while len(out) < n:
        x = (1103515245 * x + 12345) & 0x7FFFFFFF
        out.append(x >> 16 & 0xFF)
    return bytes(out)


def recv_exact(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def transfer(client):
    """Files with a magic, a length and a CRC-32; one is damaged, the last cut."""
    for i, n in enumerate((11, 3000, 900, 5000)):
        data = b"hello world" if i == 0 else content(n, i)
        crc = zlib.crc32(data)
        if i == 2:
            data = data[:450] + bytes([data[450] ^ 0x10]) + data[451:]
        client.sendall(struct.pack(">II", MAGIC, n))
        if i == 3:
            client.sendall(data[:1234])
            return
        client.sendall(data)
        client.sendall(struct.pack(">I", crc))
        print("answer", recv_exact(client, 2))


def transfer_server(conn):
    while True:
        magic, n = struct.unpack(">II", recv_exact(conn, 8))
        assert magic == MAGIC
        data = recv_exact(conn, n)
        (crc,) = struct.unpack(">I", recv_exact(conn, 4))
        conn.sendall(b"OK" if crc == zlib.crc32(data) else b"NO")


def chunks(client):
    """A file in chunks behind 4-byte lengths; an empty one is its end."""
    data = content(20000, 7)
    for i in range(0, len(data), 4096):
        part = data[i : i + 4096]
        client.sendall(struct.pack(">I", len(part)) + part)
    client.sendall(struct.pack(">I", 0))
    print("answer", recv_exact(client, 4))


def chunks_server(conn):
    total = 0
    while True:
        (n,) = struct.unpack(">I", recv_exact(conn, 4))
        if n == 0:
            break
        total += len(recv_exact(conn, n))
    conn.sendall(struct.pack(">I", total))


def message(order, value):
    body = json.dumps(value, ensure_ascii=False).encode("utf-8")
    header = json.dumps(
        {
            "byteorder": sys.byteorder,
            "content-type": "text/json",
            "content-encoding": "utf-8",
            "content-length": len(body),
        }
    ).encode("utf-8")
    return struct.pack(order + "H", len(header)) + header + body


def read_message(order, conn):
    (n,) = struct.unpack(order + "H", recv_exact(conn, 2))
    header = json.loads(recv_exact(conn, n))
    return json.loads(recv_exact(conn, header["content-length"]))


def search(order):
    found = {"morpheus": "Follow the white rabbit. \U0001f430", "ring": "In the caves beneath the Misty Mountains. \U0001f48d"}

    def client(sock):
        for value in ("morpheus", "ring", "nothing"):
            sock.sendall(message(order, {"action": "search", "value": value}))
            print("answer", read_message(order, sock))

    def server(conn):
        while True:
            request = read_message(order, conn)
            conn.sendall(message(order, {"result": found.get(request["value"], "No match.")}))

    return client, server


SESSIONS = {
    "transfer": (transfer, transfer_server, 7001),
    "chunks": (chunks, chunks_server, 7002),
    "search-big": (*search(">"), 7003),
    "search-little": (*search("<"), 7004),
}


def main():
    client, server, port = SESSIONS[sys.argv[1]]
    listener = socket.create_server(("127.0.0.1", port))

    def serve():
        conn, _ = listener.accept()
        with conn:
            try:
                server(conn)
            except EOFError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        client(sock)
    thread.join()


main()
