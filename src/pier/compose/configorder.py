"""The order in which `config` prints the keys of each mapping: Docker Compose's. Pure data."""

from __future__ import annotations

SERVICE = (
    "profiles annotations attach build develop blkio_config cap_add cap_drop cgroup_parent cgroup "
    "cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus cpuset cpu_shares "
    "command configs container_name credential_spec depends_on deploy device_cgroup_rules devices dns "
    "dns_opt dns_search domainname entrypoint provider environment env_file expose external_links "
    "extra_hosts group_add gpus hostname healthcheck image init ipc isolation labels label_file links "
    "logging mem_limit mem_reservation memswap_limit mem_swappiness mac_address models network_mode "
    "networks oom_kill_disable oom_score_adj pid pids_limit platform ports privileged pull_policy "
    "read_only restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period "
    "stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes "
    "volumes_from working_dir post_start pre_stop"
)
PARTS = {
    "build": "context dockerfile dockerfile_inline entitlements args provenance sbom ssh labels cache_from "
    "cache_to no_cache additional_contexts pull extra_hosts isolation network target secrets shm_size "
    "tags ulimits platforms privileged",
    "healthcheck": "test timeout interval retries start_period start_interval disable",
    "depends_on.*": "condition restart required",
    "ports.[]": "name mode host_ip target published protocol app_protocol",
    "volumes.[]": "type source target read_only consistency bind volume tmpfs",
    "volumes.[].bind": "selinux propagation create_host_path recursive",
    "volumes.[].volume": "labels nocopy subpath",
    "volumes.[].tmpfs": "size mode",
    "secrets.[]": "source target uid gid mode",
    "configs.[]": "source target uid gid mode",
    "build.secrets.[]": "source target uid gid mode",
    "devices.[]": "source target permissions",
    "networks.*": "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address "
    "priority",
    "ulimits.*": "soft hard",
    "logging": "driver options",
    "deploy": "mode replicas labels update_config rollback_config resources restart_policy placement endpoint_mode",
    "deploy.resources": "limits reservations",
    "deploy.resources.limits": "cpus memory pids",
    "deploy.resources.reservations": "cpus memory devices generic_resources",
    "deploy.restart_policy": "condition delay max_attempts window",
    "deploy.placement": "constraints preferences max_replicas_per_node",
    "deploy.update_config": "parallelism delay failure_action monitor max_failure_ratio order",
    "deploy.rollback_config": "parallelism delay failure_action monitor max_failure_ratio order",
}
RESOURCES = {
    "networks": "name driver driver_opts ipam external internal attachable labels enable_ipv4 enable_ipv6",
    "volumes": "name driver driver_opts external labels",
    "secrets": "name file environment content external labels driver driver_opts template_driver",
    "configs": "name file environment content external labels driver driver_opts template_driver",
}
