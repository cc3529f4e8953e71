// A spectator who takes a while for each message, in a thread of its own, and says what it got and what it missed.
import { connect } from "./signal-fish.js";

onmessage = async ({ data: { origin, appId, game, code, pauseMs } }) => {
  try {
    const client = await connect(origin, { appId, pingMs: 60_000 });
    await client.spectate({ game, name: "Slow", code });
    let told = 0;
    const tell = () => postMessage(`slow: ${client.delivery.received} heard, ${client.delivery.missing} missed`);
    client.on("data", () => {
      const end = performance.now() + pauseMs;
      while (performance.now() < end);
      if (performance.now() - told > 200) {
        told = performance.now();
        tell();
      }
    });
    client.on("closed", (error) => postMessage(error.message));
    setInterval(tell, 500);
    tell();
  } catch (error) {
    postMessage(error.message);
  }
};
