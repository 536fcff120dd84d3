export { expectCarrier, startCarrier, type Carrier } from './carrier.ts';
export { createMigrationKey, expectCertificates } from './certificate-request.ts';
export { signMigrationCertificate, type SigningOptions } from './certificate.ts';
export { dialControl, listenControl, type ControlChannel, type ControlServer } from './control-channel.ts';
export type { LinkErrorCode } from './errors.ts';
export { migrationUri, peerRole, type LinkRole, type MigrationIdentity } from './identity.ts';
export { peerProblem } from './peer.ts';
export type { Carried, CarrierConfig, Channel } from './relay.ts';
export { expiresAtMs, type LinkCredentials } from './tls-options.ts';
