export function HostRoom() {
  return <h1>HostRoom</h1>;
}
