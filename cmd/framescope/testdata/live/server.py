"""An echo server with websockets: prints its port, echoes, and ends with its input."""
import asyncio, sys, websockets

async def echo(ws, *_):
    async for message in ws:
        await ws.send(message)

async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as s:
        print(s.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
