// Follows the environment `live` with Node's own WebSocket. Prints each message, and ends after the first change.
const address = `${process.env.VAULT_ADDR.replace("https:", "wss:")}/api/v1/sync`;
const socket = new WebSocket(address, { headers: { Authorization: `Bearer ${process.env.VAULT_TOKEN}` } });

socket.addEventListener("message", (event) => {
  const message = JSON.parse(event.data);
  console.log(event.data);
  if (message.type === "hello") socket.send(JSON.stringify({ type: "subscribe", environments: ["live"] }));
  if (message.type === "change") socket.close(1000);
});
socket.addEventListener("close", (event) => {
  console.log(JSON.stringify({ type: "close", code: event.code, reason: event.reason }));
});
