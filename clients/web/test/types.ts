// What the types promise, checked by the compiler alone. Every `@ts-expect-error` fails when there is no error.
import { connect, RelayError, type protocol, type ServerMessage } from "../src/index.js";

interface Move {
  x: number;
  y: number;
}

export async function promises(): Promise<void> {
  const client = await connect<Move>("ws://127.0.0.1:3536", { appId: "types" });
  client.send({ x: 1, y: 2 }, { class: "latest", key: 3 });
  // @ts-expect-error game data has the game's type
  client.send({ x: 1 });
  // @ts-expect-error the classes are a closed list
  client.send({ x: 1, y: 2 }, { class: "sometimes" });
  // @ts-expect-error an application is needed
  await connect("ws://127.0.0.1:3536", {});
  client.on("data", ({ data }) => data.x.toFixed());
  // @ts-expect-error there is no such event
  client.on("dat", () => {});
  for await (const { data } of client.stream("data")) {
    const x: number = data.x;
    // @ts-expect-error nor such a member
    void (x + data.z);
  }
}

export function codes(error: RelayError): boolean {
  // @ts-expect-error codes are a closed list
  if (error.code === "ROOM_NOT_FOUNT") return true;
  return error.code === "ROOM_NOT_FOUND";
}

export function newer(message: ServerMessage): number | undefined {
  return message.type === "GameData" && "seq" in message.data ? message.data.seq : undefined;
}

export const join: protocol.ClientMessage = { type: "JoinRoom", data: { game_name: "g", player_name: "Mira" } };
// @ts-expect-error a player has a name
export const wrong: protocol.ClientMessage = { type: "JoinRoom", data: { game_name: "g" } };
// @ts-expect-error version 2 knows no signals
export const old: protocol.ClientMessageV2 = { type: "Signal", data: { to: "", generation: "", signal: 1 } };
