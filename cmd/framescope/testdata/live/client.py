"""A client with websockets: text, a large binary message, an iterable sent in fragments, close."""
import asyncio, sys, websockets

async def main():
    async with websockets.connect(f"ws://127.0.0.1:{sys.argv[1]}/python", subprotocols=["chat"]) as ws:
        for m in ["grüße", b"\x00\x01" * 50000, ["a", "b", "c"]]:
            await ws.send(m)
            await ws.recv()
        await ws.close(1001, "away")

asyncio.run(main())
