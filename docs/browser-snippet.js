// A game of two players in one page: start the server, then paste this into a browser's console.
const connect = (name) => {
  const socket = new WebSocket("ws://127.0.0.1:3536/v2/ws");
  const inbox = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => (inbox.push(JSON.parse(data)), wake());
  const send = (type, data) => socket.send(JSON.stringify({ type, data }));
  const next = async (type) => {
    for (;;) {
      while (inbox.length === 0) await new Promise((resolve) => (wake = resolve));
      const message = inbox.shift();
      console.log(`${name} ← ${message.type}`, message.data);
      if (message.type === type) return message.data;
    }
  };
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve({ socket, send, next });
    socket.onerror = () => reject(new Error("the server does not answer: does it run?"));
  });
};

const mira = await connect("Mira");
const otto = await connect("Otto");

mira.send("JoinRoom", { game_name: "tide-pool", player_name: "Mira" });
const { room_code } = await mira.next("RoomJoined");
otto.send("JoinRoom", { game_name: "tide-pool", player_name: "Otto", room_code });
await otto.next("RoomJoined");

mira.send("PlayerReady");
await otto.next("LobbyStateChanged");
otto.send("PlayerReady");
while (!(await mira.next("LobbyStateChanged")).all_ready);
mira.send("StartGame");
await mira.next("GameStarting");
await otto.next("GameStarting");

mira.send("GameData", { data: { op: "move", x: 12, y: -3.5 } });
await otto.next("GameData");
otto.send("GameData", { data: "well played" });
await mira.next("GameData");

otto.send("LeaveRoom");
await otto.next("RoomLeft");
await mira.next("PlayerLeft");
mira.socket.close();
otto.socket.close();
