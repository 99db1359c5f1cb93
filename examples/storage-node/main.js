// A storage plugin of Corral: serves corral.plugin.v1 and corral.storage.v1 as plain
// gRPC on the socket that its shim names, and ends when its stdin does.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { Plugin } from './plugin.js';
import { storageService } from './service.js';

const socket = process.env.CORRAL_PLUGIN_SOCKET;
if (!socket) {
  console.error('This is the inside of a plugin: corral-plugin-shim starts it. See README.md.');
  process.exit(2);
}

const proto = path.join(path.dirname(fileURLToPath(import.meta.url)), 'proto');
const { corral } = grpc.loadPackageDefinition(
  loader.loadSync(['corral/plugin/v1/plugin.proto', 'corral/storage/v1/storage.proto'], {
    includeDirs: [proto],
    keepCase: true,
    longs: Number,
    defaults: true,
    oneofs: true,
  }),
);

const plugin = new Plugin();
const server = new grpc.Server({ 'grpc.max_receive_message_length': 4 << 20 });
server.addService(corral.plugin.v1.PluginService.service, plugin.service());
server.addService(corral.storage.v1.StorageService.service, storageService(plugin));
server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (err) => {
  if (err) {
    console.error(`serve on ${socket}: ${err.message}`);
    process.exit(1);
  }
});

// A signal to the whole group is meant for the host, which ends its plugins itself.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});

process.stdin.resume();
process.stdin.on('end', () => {
  server.forceShutdown();
  process.exit(0);
});
