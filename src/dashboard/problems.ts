import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../shared/log.ts';
import { SweepError } from '../sweep/errors.ts';
import type { Problem } from './api.ts';

/** Every code that an answer of ours can have; part of the interface, as the routes are. */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is wrong' },
  'bad-continue': { status: 400, title: 'The continue token is not of this list' },
  unauthenticated: { status: 401, title: 'Nobody knows who you are' },
  'foreign-host': { status: 403, title: 'The Host header names another host' },
  'cross-site': { status: 403, title: 'The request comes from another site' },
  'not-found': { status: 404, title: 'There is no such thing, or you may not see it' },
  'model-missing': { status: 404, title: 'The weights of this trial are not kept' },
  'method-not-allowed': { status: 405, title: 'This method does nothing here' },
  'not-acceptable': { status: 406, title: 'Nothing here is of that type' },
  timeout: { status: 408, title: 'The request did not arrive in time' },
  expired: { status: 410, title: 'The list has to be read from its beginning' },
  'too-large': { status: 413, title: 'The body is too large' },
  'uri-too-long': { status: 414, title: 'The address is too long' },
  'unsupported-media-type': { status: 415, title: 'A body of this type is not read here' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'Something went wrong here' },
  unavailable: { status: 503, title: 'What decides about your rights cannot be reached' },
  overloaded: { status: 503, title: 'There is too much to do; try again soon' },
  'too-many-streams': { status: 503, title: 'Too many streams are open' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

interface ProblemOptions {
  readonly errors?: Problem['errors'];
  readonly retryAfterSeconds?: number;
}

/** An answer that is no success, thrown by whoever finds out. */
export class ProblemError extends SweepError {
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  /** @param detail for a person; nothing of the request's own text, nothing that only we should know */
  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(code, detail);
    this.code = code;
    this.options = options;
  }
}

/** One answer for "not there" and "no right": nobody learns which. */
export function notFound(): ProblemError {
  return new ProblemError('not-found', 'there is no such thing, or you may not see it');
}

export function buildProblem(code: ProblemCode, detail: string, path: string, errors?: Problem['errors']): Problem {
  const { status, title } = PROBLEMS[code];
  return { type: `urn:cnn-sweep:${code}`, title, status, detail, instance: path, ...(errors && { errors }) };
}

/** Without the query: it may hold what somebody typed. */
export function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0] ?? url;
}

/** Answers with what went wrong; what nobody planned for is logged, and told to nobody. */
export function problemAnswers(log: Log) {
  return (error: FastifyError | ProblemError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = error instanceof ProblemError ? error : translate(error);
    if (problem.code === 'internal') {
      log.error('request failed', {
        method: request.method,
        route: request.routeOptions.url,
        error,
        stack: error.stack,
      });
    }
    return sendProblem(reply, problem, request.url);
  };
}

export function sendProblem(reply: FastifyReply, { code, message, options }: ProblemError, url: string): FastifyReply {
  if (options.retryAfterSeconds !== undefined) reply.header('retry-after', `${options.retryAfterSeconds}`);
  return reply
    .code(PROBLEMS[code].status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(buildProblem(code, message, pathOf(url), options.errors)));
}

/** What Fastify and its plugins throw, by status: their messages may hold what was sent. */
function translate(error: FastifyError): ProblemError {
  if (error.validation) {
    const errors = error.validation.map(({ instancePath, message = '', params }) => ({
      path: [error.validationContext ?? '', ...instancePath.split('/').slice(1)]
        .filter((part) => part !== '')
        .join('.'),
      message: message === 'must be equal to one of the allowed values' ? `${message}: ${allowed(params)}` : message,
    }));
    return new ProblemError('bad-request', 'the request does not fit its description', { errors });
  }
  const status = error.statusCode ?? 500;
  if (status === 413) return new ProblemError('too-large', 'at most 64 KiB are read');
  if (status === 415) return new ProblemError('unsupported-media-type', 'expected application/json');
  if (status === 404) return notFound();
  if (status >= 400 && status < 500) return new ProblemError('bad-request', STATUS_CODES[status] ?? 'bad request');
  return new ProblemError('internal', 'it is in the log of the server');
}

function allowed(params: Record<string, unknown>): string {
  return Array.isArray(params.allowedValues) ? params.allowedValues.join(', ') : '';
}
