/** GET /server_info: version, state, how long it has been running and with what options. */
import { toJson } from '@bufbuild/protobuf';
import { messageType, registry } from '../../api/registry.ts';
import { type Endpoint, json } from './endpoint.ts';
import { HOT_RESTART_VERSION } from './hot_restart_version.ts';

export const serverInfo: Endpoint = {
  path: '/server_info',
  help: 'print server version/status information',
  handle(context) {
    const uptime = `${Math.floor((Date.now() - context.startTime) / 1000)}s`;
    return json({
      version: context.versionText,
      state: context.state(),
      uptime_current_epoch: uptime,
      uptime_all_epochs: uptime,
      hot_restart_version: HOT_RESTART_VERSION,
      command_line_options: context.commandLineOptions,
      node: toJson(messageType('envoy.config.core.v3.Node'), context.node, {
        registry,
        useProtoFieldName: true,
        alwaysEmitImplicit: true,
      }),
      hot_restart_initializing: false,
    });
  },
};
