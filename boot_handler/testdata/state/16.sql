CREATE TABLE machine (mac TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, local INTEGER NOT NULL,
 reinstall INTEGER NOT NULL, attempt INTEGER NOT NULL, phase TEXT, bytes INTEGER NOT NULL,
 total_bytes INTEGER NOT NULL, changed_at_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL,
 leased_ip TEXT, error_phase TEXT, error_reason TEXT, error_hint TEXT,
 host_key_1 TEXT, host_key_2 TEXT, host_key_3 TEXT,
 leased_ip6 TEXT, seen_ip TEXT, seen_ip6 TEXT, nic TEXT,
 ordered INTEGER NOT NULL DEFAULT 0, cloud_init TEXT, disk_bytes INTEGER NOT NULL DEFAULT 0,
 netboot_off INTEGER NOT NULL DEFAULT 0, began_ms INTEGER NOT NULL DEFAULT 0,
 phase_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE log (mac TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE event (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, mac TEXT NOT NULL, vm TEXT NOT NULL,
 kind TEXT NOT NULL, text TEXT NOT NULL, phase TEXT, bytes INTEGER NOT NULL, total_bytes INTEGER NOT NULL,
 source TEXT, data TEXT, severity INTEGER NOT NULL DEFAULT 0, stranger INTEGER NOT NULL DEFAULT 0);
CREATE INDEX event_mac ON event (mac, stranger);
CREATE TABLE probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);
INSERT INTO machine VALUES ('52:54:00:00:00:11', 'web1', 'ready', 0, 0, 3, NULL, 7, 9, 1700000000000,
 1700000001000, '192.168.100.11', 'rootfs', 'an old reason', 'an old hint', 'ssh-ed25519 AAAA', NULL, NULL,
 'fd56:6d6c:6162::11', '192.168.100.50', NULL, '52:54:00:00:00:99', 0, NULL, 8589934592, 0, 1699999990000, 0);
INSERT INTO log VALUES ('52:54:00:00:00:11', 'a line');
INSERT INTO event VALUES (41, 1700000000000, '52:54:00:00:00:11', 'web1', 'state', 'ready', NULL, 0, 0,
 '192.168.100.11', '{"attempt":3}', 0, 0);
CREATE TABLE stranger (slot INTEGER PRIMARY KEY, mac_1 TEXT, mac_2 TEXT, mac_3 TEXT, mac_4 TEXT, uuid TEXT,
 serial TEXT, arch TEXT, platform TEXT, loader TEXT, version TEXT, manufacturer TEXT, product TEXT, asset TEXT,
 ip TEXT, ip6 TEXT, first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL, asked INTEGER NOT NULL,
 ignored INTEGER NOT NULL,
 chosen TEXT, chosen_at_ms INTEGER NOT NULL DEFAULT 0,
 memory_bytes INTEGER NOT NULL DEFAULT 0, disk_bytes INTEGER NOT NULL DEFAULT 0);
INSERT INTO stranger VALUES (7, '52:54:00:00:00:77', NULL, NULL, NULL, NULL, 'SN-77', 'amd64', 'efi', 'ipxe',
 '1.21.1', 'Maker', 'Box', NULL, '192.168.100.77', NULL, 1700000000000, 1700000001000, 12, 1, 'debian-installer-13', 1700000000000,
 8589934592, 500107862016);
CREATE TABLE inventory (id INTEGER PRIMARY KEY, mac TEXT NOT NULL, at_ms INTEGER NOT NULL,
 seen_ms INTEGER NOT NULL, bytes INTEGER NOT NULL, hash INTEGER NOT NULL, text TEXT);
INSERT INTO inventory VALUES (5, '52:54:00:00:00:11', 1700000000000, 1700000001000, 12, 77, '{"format":1}');
CREATE TABLE agent_order (id INTEGER PRIMARY KEY, mac TEXT NOT NULL, vm TEXT NOT NULL, action TEXT NOT NULL,
 state TEXT NOT NULL, created_ms INTEGER NOT NULL, begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL,
 given INTEGER NOT NULL, disk_due INTEGER NOT NULL, text TEXT, list INTEGER NOT NULL DEFAULT 0,
 timeout_s INTEGER NOT NULL DEFAULT 0, begun INTEGER NOT NULL DEFAULT 0, phase TEXT,
 done_bytes INTEGER NOT NULL DEFAULT 0, total_bytes INTEGER NOT NULL DEFAULT 0, hint TEXT, args TEXT, figures TEXT);
INSERT INTO agent_order VALUES (3, '52:54:00:00:00:11', 'web1', 'local', 'failed', 1700000000000,
 1700000001000, 1700000002000, 1, 0, 'no disk', 2, 77, 1, 'boot', 5, 9, 'plug one in', '{"netboot":"off"}', '{"seconds":1}');
CREATE TABLE hook (id INTEGER PRIMARY KEY, name TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
 filter TEXT NOT NULL, created_ms INTEGER NOT NULL, cursor INTEGER NOT NULL, delivered INTEGER NOT NULL,
 delivered_ms INTEGER NOT NULL, failed INTEGER NOT NULL, failed_ms INTEGER NOT NULL, status INTEGER NOT NULL,
 error TEXT NOT NULL, missed INTEGER NOT NULL, ended INTEGER NOT NULL);
INSERT INTO hook VALUES (2, 'ci', 'https://ci.example.org/vmlab', '0123456789abcdef', 'severity=warning',
 1700000000000, 40, 12, 1700000001000, 3, 1700000002000, 500, 'the receiver answers HTTP 500', 7, 0);
CREATE TABLE kept (mac TEXT NOT NULL, what TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (mac, what)) WITHOUT ROWID;
INSERT INTO kept VALUES ('52:54:00:00:00:11', 'curve', '{"points":[]}');
PRAGMA user_version = 16;
