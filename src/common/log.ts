/** Application log by component and level, as Envoy's `-l` and `--component-log-level` set them. */
