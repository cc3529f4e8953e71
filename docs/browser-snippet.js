function play(name, roomCode) {
  const socket = new WebSocket("ws://127.0.0.1:3536/v2/ws");
  const send = (type, data) => socket.send(JSON.stringify({ type, data }));
  socket.onopen = () => {
    send("Authenticate", { app_id: "first-game" });
    send("JoinRoom", { game_name: "first-game", player_name: name, room_code: roomCode, join_only: !!roomCode });
  };
  socket.onmessage = (event) => {
    const { type, data } = JSON.parse(event.data);
    if (type === "RoomJoined") console.log("room code:", data.room_code);
    console.log(type, data);
  };
  socket.onclose = (event) => console.log("closed", event.code, event.reason);
  return (data) => send("GameData", { data });
}
