/** PEM texts: this side's key and certificate for one migration, and the CAs (one or several) whose certificates count. */
export interface LinkCredentials {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly trustPem: string;
}

interface LinkTlsOptions {
  readonly key: string;
  readonly cert: string;
  readonly ca: string[];
  readonly minVersion: 'TLSv1.3';
  readonly rejectUnauthorized: true;
}

/** Options of both ends. A certificate bundle is split because Node takes only the first of a joined text as CA. */
export function linkTlsOptions(credentials: LinkCredentials): LinkTlsOptions {
  return {
    key: credentials.keyPem,
    cert: credentials.certificatePem,
    ca: credentials.trustPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
  };
}
