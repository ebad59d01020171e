# An echo server on python websockets: server.py DEFLATE. It prints its port.
import asyncio, sys, websockets

async def echo(ws, path):
    try:
        if path == "/ping":
            await ws.ping("from python")
        if path == "/close":
            await ws.close(4002, "go away")
        async for message in ws:
            await ws.send(message)
    except websockets.ConnectionClosedError:
        pass

async def main():
    options = dict(compression="deflate" if sys.argv[1] == "true" else None, max_size=2 << 20)
    server = await websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], **options)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()

asyncio.run(main())
