// The S3 API with the AWS SDK for JavaScript.
import assert from 'node:assert/strict';
import {
  CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand,
  ListObjectsV2Command, PutObjectCommand, S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

const { ENDPOINT, ACCESS_KEY, SECRET_KEY, OWNER } = process.env;
const client = new S3Client({
  endpoint: ENDPOINT, region: 'us-east-1', forcePathStyle: true,
  credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
});
const Bucket = `node-${OWNER}`;
await client.send(new CreateBucketCommand({ Bucket }));
await client.send(new PutObjectCommand({ Bucket, Key: 'ü b', Body: 'hello', ContentType: 'text/plain', Metadata: { a: 'b' } }));
const got = await client.send(new GetObjectCommand({ Bucket, Key: 'ü b' }));
assert.equal(await got.Body.transformToString(), 'hello');
assert.equal(got.Metadata.a, 'b');
const big = Buffer.alloc(12 * 1024 * 1024, 'x');
await new Upload({ client, params: { Bucket, Key: 'big', Body: big }, partSize: 5 * 1024 * 1024 }).done();
assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'big' }))).ContentLength, big.length);
await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'big', Body: 'x', IfNoneMatch: '*' })), { name: 'PreconditionFailed' });
const list = await client.send(new ListObjectsV2Command({ Bucket }));
assert.deepEqual(list.Contents.map((entry) => entry.Key), ['big', 'ü b']);
await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: list.Contents.map(({ Key }) => ({ Key })) } }));
await client.send(new DeleteBucketCommand({ Bucket }));
console.log('ok node');
