"""The S3 API with boto3, operation by operation. Fails on the first difference from what S3 answers.

Environment: ENDPOINT, ACCESS_KEY, SECRET_KEY, and OWNER, which makes the bucket's name.
"""
import base64
import concurrent.futures
import hashlib
import io
import json
import os
import time
import urllib.error
import urllib.request
import zlib

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["ENDPOINT"]
CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}, max_pool_connections=40)
S3 = boto3.client(
    "s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=CONFIG,
    aws_access_key_id=os.environ["ACCESS_KEY"], aws_secret_access_key=os.environ["SECRET_KEY"],
)
BUCKET = f"suite-{os.environ['OWNER']}"
MIB = 1024 * 1024


def refused(code, status, call, **arguments):
    """Asserts that a call fails with that code and status."""
    try:
        call(**arguments)
    except ClientError as error:
        found = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        assert found == (code, status), f"{found} instead of {(code, status)} for {arguments}"
        return error
    raise AssertionError(f"{code} was expected of {call} {arguments}")


def keys(**arguments):
    return [entry["Key"] for entry in S3.list_objects_v2(Bucket=BUCKET, **arguments).get("Contents", [])]


def buckets():
    refused("NoSuchBucket", 404, S3.list_objects_v2, Bucket=BUCKET)
    refused("NoSuchBucket", 404, S3.put_object, Bucket=BUCKET, Key="a", Body=b"1")
    S3.create_bucket(Bucket=BUCKET)
    refused("BucketAlreadyOwnedByYou", 409, S3.create_bucket, Bucket=BUCKET)
    S3.head_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in S3.list_buckets()["Buckets"]]
    assert S3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
    elsewhere = f"{BUCKET}-eu"
    S3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert S3.get_bucket_location(Bucket=elsewhere)["LocationConstraint"] == "eu-west-1"
    S3.delete_bucket(Bucket=elsewhere)
    refused("NoSuchBucket", 404, S3.delete_bucket, Bucket=elsewhere)


def objects():
    for key in ["plain", "a b/ü+&=x~(1).txt", "dir//double", "trailing/", "../up", "./here", "k" * 1024, "q?x=1#y"]:
        body = key.encode() * 3
        put = S3.put_object(Bucket=BUCKET, Key=key, Body=body)
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"', key
        assert S3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, key
        S3.delete_object(Bucket=BUCKET, Key=key)
        refused("NoSuchKey", 404, S3.get_object, Bucket=BUCKET, Key=key)
    refused("KeyTooLongError", 400, S3.put_object, Bucket=BUCKET, Key="k" * 1025, Body=b"")
    refused("InvalidArgument", 400, S3.put_object, Bucket=BUCKET, Key="nul\0", Body=b"")
    S3.put_object(
        Bucket=BUCKET, Key="described", Body=b"0123456789", ContentType="text/plain", CacheControl="no-cache",
        ContentDisposition="attachment", ContentEncoding="identity", ContentLanguage="en", Metadata={"Colour": "blue"},
        Tagging="team=a&stage=b",
    )
    head = S3.head_object(Bucket=BUCKET, Key="described")
    assert head["ContentType"] == "text/plain" and head["CacheControl"] == "no-cache"
    assert head["ContentDisposition"] == "attachment" and head["ContentLanguage"] == "en"
    assert head["Metadata"] == {"colour": "blue"} and head["ContentLength"] == 10
    override = S3.get_object(Bucket=BUCKET, Key="described", ResponseContentType="text/x")
    assert override["ContentType"] == "text/x"
    S3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    assert S3.get_object(Bucket=BUCKET, Key="empty")["Body"].read() == b""


def attributes():
    found = S3.get_object_attributes(Bucket=BUCKET, Key="described", ObjectAttributes=["ETag", "ObjectSize", "Checksum"])
    assert found["ObjectSize"] == 10 and found["ETag"] and found["Checksum"], found


def refusals():
    """What is not there is refused, and not taken for a plain put or delete."""
    where = {"Bucket": BUCKET, "Key": "described"}
    refused("NotImplemented", 501, S3.put_object, **where, Body=b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate="2030-01-01")
    refused("NotImplemented", 501, S3.put_object, **where, Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey=b"k" * 32)
    url = S3.generate_presigned_url("put_object", Params=where)
    assert S3.get_object(**where)["Body"].read() == b"0123456789"
    assert "X-Amz-Signature" in url


def ranges():
    def get(text):
        found = S3.get_object(Bucket=BUCKET, Key="described", Range=text)
        return found["Body"].read(), found["ContentRange"]

    assert get("bytes=2-4") == (b"234", "bytes 2-4/10")
    assert get("bytes=7-") == (b"789", "bytes 7-9/10")
    assert get("bytes=-3") == (b"789", "bytes 7-9/10")
    assert get("bytes=5-500") == (b"56789", "bytes 5-9/10")
    refused("InvalidRange", 416, S3.get_object, Bucket=BUCKET, Key="described", Range="bytes=10-")


def conditions():
    etag = S3.head_object(Bucket=BUCKET, Key="described")["ETag"]
    where = {"Bucket": BUCKET, "Key": "described"}
    S3.get_object(**where, IfMatch=etag)
    refused("PreconditionFailed", 412, S3.get_object, **where, IfMatch='"x"')
    refused("304", 304, S3.head_object, **where, IfNoneMatch=etag)
    refused("PreconditionFailed", 412, S3.put_object, **where, Body=b"x", IfNoneMatch="*")
    refused("PreconditionFailed", 412, S3.put_object, **where, Body=b"x", IfMatch='"x"')
    refused("NoSuchKey", 404, S3.put_object, Bucket=BUCKET, Key="absent", Body=b"x", IfMatch=etag)
    S3.put_object(**where, Body=b"0123456789", IfMatch=etag)
    refused("PreconditionFailed", 412, S3.delete_object, **where, IfMatch='"x"')
    refused("PreconditionFailed", 412, S3.delete_object, **where, IfMatch='"x"', VersionId="null")
    for condition in [{"Size": 1}, {"LastModifiedTime": 1}, {"ETag": '"x"'}, {"ETag": '"x"', "VersionId": "null"}]:
        answer = S3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "described", **condition}]})
        codes = [error["Code"] for error in answer["Errors"]]
        assert codes == ["PreconditionFailed" if "ETag" in condition else "NotImplemented"], (condition, answer)
    S3.head_object(**where)


def locks():
    """Of 32 competing clients exactly one gets the lock, each time."""
    def take(index):
        try:
            S3.put_object(Bucket=BUCKET, Key="lock", Body=str(index).encode(), IfNoneMatch="*")
            return index
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error
            return None

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for _ in range(5):
            winners = [index for index in pool.map(take, range(32)) if index is not None]
            assert len(winners) == 1, winners
            assert S3.get_object(Bucket=BUCKET, Key="lock")["Body"].read() == str(winners[0]).encode()
            S3.delete_object(Bucket=BUCKET, Key="lock")


def checksums():
    body = b"checked"
    for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]:
        try:
            put = S3.put_object(Bucket=BUCKET, Key="checked", Body=body, ChecksumAlgorithm=algorithm)
        except Exception as error:  # botocore needs an extra package for some of them
            assert "crt" in str(error).lower(), error
            continue
        head = S3.head_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")
        assert put[f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"], algorithm
        assert head["ChecksumType"] == "FULL_OBJECT"
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    S3.put_object(Bucket=BUCKET, Key="checked", Body=body, ChecksumCRC32=crc)
    refused("BadDigest", 400, S3.put_object, Bucket=BUCKET, Key="wrong", Body=b"other", ChecksumCRC32=crc)
    refused("InvalidRequest", 400, S3.put_object, Bucket=BUCKET, Key="wrong", Body=b"other", ChecksumCRC32="??")
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    refused("BadDigest", 400, S3.put_object, Bucket=BUCKET, Key="wrong", Body=b"other", ContentMD5=md5)
    refused("404", 404, S3.head_object, Bucket=BUCKET, Key="wrong")


def copies():
    where = {"Bucket": BUCKET, "CopySource": {"Bucket": BUCKET, "Key": "described"}}
    S3.copy_object(**where, Key="copy")
    copied = S3.get_object(Bucket=BUCKET, Key="copy")
    assert copied["Body"].read() == b"0123456789"
    S3.copy_object(**where, Key="copy", MetadataDirective="REPLACE", Metadata={"new": "1"}, ContentType="text/y")
    head = S3.head_object(Bucket=BUCKET, Key="copy")
    assert head["Metadata"] == {"new": "1"} and head["ContentType"] == "text/y"
    refused("InvalidRequest", 400, S3.copy_object, Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "copy"})
    refused("PreconditionFailed", 412, S3.copy_object, **where, Key="copy", CopySourceIfMatch='"x"')
    refused("NoSuchKey", 404, S3.copy_object, Bucket=BUCKET, Key="c", CopySource={"Bucket": BUCKET, "Key": "absent"})


def multipart():
    where = {"Bucket": BUCKET, "Key": "parts"}
    upload = S3.create_multipart_upload(**where, Metadata={"kind": "big"})["UploadId"]
    bodies = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c" * 7]
    parts = []
    for number, body in enumerate(bodies, 1):
        tag = S3.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    listed = S3.list_parts(**where, UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MIB), (2, 5 * MIB), (3, 7)]
    assert upload in [entry["UploadId"] for entry in S3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]]
    complete = {**where, "UploadId": upload}
    refused("InvalidPartOrder", 400, S3.complete_multipart_upload, **complete, MultipartUpload={"Parts": parts[::-1]})
    wrong = [{"PartNumber": 1, "ETag": '"x"'}]
    refused("InvalidPart", 400, S3.complete_multipart_upload, **complete, MultipartUpload={"Parts": wrong})
    S3.put_object(**where, Body=b"in the way")
    refused("PreconditionFailed", 412, S3.complete_multipart_upload, **complete, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    wrong_sum = base64.b64encode(b"\0" * 8).decode()
    refused("BadDigest", 400, S3.complete_multipart_upload, **complete, MultipartUpload={"Parts": parts}, ChecksumCRC64NVME=wrong_sum)
    assert S3.get_object(**where)["Body"].read() == b"in the way"
    done = S3.complete_multipart_upload(**complete, MultipartUpload={"Parts": parts})
    md5s = b"".join(hashlib.md5(body).digest() for body in bodies)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"', done["ETag"]
    again = S3.complete_multipart_upload(**complete, MultipartUpload={"Parts": parts})
    assert again["ETag"] == done["ETag"], "a repeated request answers as before"
    assert S3.get_object(**where)["Body"].read() == b"".join(bodies)
    second = S3.get_object(**where, PartNumber=2)
    assert second["Body"].read() == bodies[1] and second["PartsCount"] == 3
    assert S3.get_object(**where, Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")["Body"].read() == b"aabb"
    small = S3.create_multipart_upload(**where)["UploadId"]
    tags = [S3.upload_part(**where, UploadId=small, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
    named = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    refused("EntityTooSmall", 400, S3.complete_multipart_upload, **where, UploadId=small, MultipartUpload={"Parts": named})
    copied = S3.upload_part_copy(
        **where, UploadId=small, PartNumber=1, CopySource={"Bucket": BUCKET, "Key": "described"}, CopySourceRange="bytes=0-3",
    )["CopyPartResult"]["ETag"]
    S3.complete_multipart_upload(**where, UploadId=small, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": copied}]})
    assert S3.get_object(**where)["Body"].read() == b"0123"
    gone = S3.create_multipart_upload(**where)["UploadId"]
    S3.abort_multipart_upload(**where, UploadId=gone)
    refused("NoSuchUpload", 404, S3.upload_part, **where, UploadId=gone, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", 404, S3.list_parts, **where, UploadId="never-begun")
    S3.upload_fileobj(io.BytesIO(b"z" * (18 * MIB)), BUCKET, "managed")
    assert S3.head_object(Bucket=BUCKET, Key="managed")["ContentLength"] == 18 * MIB


def listing():
    for key in ["list/a", "list/b/1", "list/b/2", "list/c", "list/d/x"]:
        S3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    page = S3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/")
    assert [entry["Key"] for entry in page["Contents"]] == ["list/a", "list/c"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["list/b/", "list/d/"]
    walked, token = [], {}
    while True:
        page = S3.list_objects_v2(Bucket=BUCKET, Prefix="list/", Delimiter="/", MaxKeys=1, **token)
        walked += [entry["Key"] for entry in page.get("Contents", [])]
        walked += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert walked == ["list/a", "list/b/", "list/c", "list/d/"], walked
    assert keys(Prefix="list/", StartAfter="list/b/2") == ["list/c", "list/d/x"]
    first = S3.list_objects(Bucket=BUCKET, Prefix="list/", MaxKeys=2)
    rest = S3.list_objects(Bucket=BUCKET, Prefix="list/", Marker=first["NextMarker"])
    assert len(first["Contents"]) == 2 and len(rest["Contents"]) == 3
    assert keys(Prefix="list/", MaxKeys=0) == []
    refused("InvalidArgument", 400, S3.list_objects_v2, Bucket=BUCKET, ContinuationToken="§")


def versions():
    where = {"Bucket": BUCKET, "Key": "versioned"}
    assert "Status" not in S3.get_bucket_versioning(Bucket=BUCKET)
    S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert S3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    first = S3.put_object(**where, Body=b"1")["VersionId"]
    second = S3.put_object(**where, Body=b"2")["VersionId"]
    marker = S3.delete_object(**where)
    assert marker["DeleteMarker"] is True
    refused("NoSuchKey", 404, S3.get_object, **where)
    refused("MethodNotAllowed", 405, S3.get_object, **where, VersionId=marker["VersionId"])
    assert S3.get_object(**where, VersionId=first)["Body"].read() == b"1"
    page = S3.list_object_versions(Bucket=BUCKET, Prefix="versioned")
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in page["Versions"]] == [(second, False), (first, False)]
    assert page["DeleteMarkers"][0]["IsLatest"] is True
    limited = S3.list_object_versions(Bucket=BUCKET, Prefix="versioned", MaxKeys=1)
    rest = S3.list_object_versions(
        Bucket=BUCKET, Prefix="versioned", KeyMarker=limited["NextKeyMarker"], VersionIdMarker=limited["NextVersionIdMarker"],
    )
    assert len(rest["Versions"]) == 2
    S3.delete_object(**where, VersionId=marker["VersionId"])
    assert S3.get_object(**where)["Body"].read() == b"2"
    for version in (first, second):
        S3.delete_object(**where, VersionId=version)
    S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def tags():
    where = {"Bucket": BUCKET, "Key": "described"}
    S3.put_object_tagging(**where, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert S3.get_object_tagging(**where)["TagSet"] == [{"Key": "a", "Value": "1"}]
    S3.delete_object_tagging(**where)
    assert S3.get_object_tagging(**where)["TagSet"] == []
    refused("NoSuchTagSet", 404, S3.get_bucket_tagging, Bucket=BUCKET)
    S3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})
    assert S3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [{"Key": "b", "Value": "2"}]
    S3.delete_bucket_tagging(Bucket=BUCKET)


def unconfigured():
    """What infrastructure tools read of every bucket."""
    S3.get_bucket_acl(Bucket=BUCKET)
    for code, call in [
        ("NoSuchBucketPolicy", S3.get_bucket_policy),
        ("NoSuchLifecycleConfiguration", S3.get_bucket_lifecycle_configuration),
        ("NoSuchCORSConfiguration", S3.get_bucket_cors),
        ("ServerSideEncryptionConfigurationNotFoundError", S3.get_bucket_encryption),
        ("NoSuchWebsiteConfiguration", S3.get_bucket_website),
        ("ReplicationConfigurationNotFoundError", S3.get_bucket_replication),
        ("OwnershipControlsNotFoundError", S3.get_bucket_ownership_controls),
        ("ObjectLockConfigurationNotFoundError", S3.get_object_lock_configuration),
        ("NoSuchPublicAccessBlockConfiguration", S3.get_public_access_block),
    ]:
        refused(code, 404, call, Bucket=BUCKET)
    for call in [S3.get_bucket_logging, S3.get_bucket_accelerate_configuration, S3.get_bucket_notification_configuration]:
        call(Bucket=BUCKET)
    assert S3.get_bucket_request_payment(Bucket=BUCKET)["Payer"] == "BucketOwner"
    refused("NotImplemented", 501, S3.put_bucket_website, Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}})


def unsigned(key):
    """The status that nobody in particular gets."""
    try:
        return urllib.request.urlopen(f"{ENDPOINT}/{BUCKET}/{key}").status
    except urllib.error.HTTPError as error:
        return error.code


def in_force(key, status):
    """Waits until every replica decides by what was said to one of them."""
    end = time.monotonic() + 90
    seen = 0
    while seen < 6:
        seen = seen + 1 if unsigned(key) == status else 0
        assert time.monotonic() < end, (key, status)
        time.sleep(0.05)


def policies():
    S3.put_object(Bucket=BUCKET, Key="public.txt", Body=b"open")
    in_force("public.txt", 403)
    refused("MalformedPolicy", 400, S3.put_bucket_policy, Bucket=BUCKET, Policy="{}")
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/public*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)
    S3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    assert S3.get_bucket_policy(Bucket=BUCKET)["Policy"] == policy
    assert S3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"] == {"IsPublic": True}
    in_force("public.txt", 200)
    assert unsigned("described") == 403
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    S3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=block)
    assert S3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"] == block
    in_force("public.txt", 403)
    refused("AccessDenied", 403, S3.put_bucket_policy, Bucket=BUCKET, Policy=policy)
    refused("AccessDenied", 403, S3.put_object, Bucket=BUCKET, Key="acl", Body=b"", ACL="public-read")
    refused("AccessDenied", 403, S3.copy_object, Bucket=BUCKET, Key="acl", CopySource=f"{BUCKET}/public.txt", ACL="public-read")
    S3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert S3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"] == {name: name == "BlockPublicAcls" for name in block}
    S3.delete_public_access_block(Bucket=BUCKET)
    refused("NoSuchPublicAccessBlockConfiguration", 404, S3.get_public_access_block, Bucket=BUCKET)
    in_force("public.txt", 200)
    S3.delete_bucket_policy(Bucket=BUCKET)
    S3.delete_bucket_policy(Bucket=BUCKET)
    refused("NoSuchBucketPolicy", 404, S3.get_bucket_policy, Bucket=BUCKET)
    refused("NoSuchBucketPolicy", 404, S3.get_bucket_policy_status, Bucket=BUCKET)
    in_force("public.txt", 403)


def presigned():
    where = {"Bucket": BUCKET, "Key": "signed ü"}
    put = S3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(put, data=b"signed", method="PUT")).read()
    get = S3.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
    assert urllib.request.urlopen(get).read() == b"signed"
    for spoiled in [get.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), get + "0", get.replace("signed", "checked")]:
        try:
            urllib.request.urlopen(spoiled)
            raise AssertionError(spoiled)
        except urllib.error.HTTPError as error:
            assert error.code == 403, error
    smuggled = urllib.request.Request(put, data=b"", method="PUT", headers={"x-amz-copy-source": f"/{BUCKET}/described"})
    try:
        urllib.request.urlopen(smuggled)
        raise AssertionError("an unsigned header was obeyed")
    except urllib.error.HTTPError as error:
        assert error.code == 403, error


def credentials():
    wrong = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=CONFIG,
                         aws_access_key_id=os.environ["ACCESS_KEY"], aws_secret_access_key="wrong-secret")
    refused("SignatureDoesNotMatch", 403, wrong.list_buckets)
    unknown = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1", config=CONFIG,
                           aws_access_key_id="UNKNOWN", aws_secret_access_key="wrong-secret")
    refused("InvalidAccessKeyId", 403, unknown.list_buckets)


def clean_up():
    refused("BucketNotEmpty", 409, S3.delete_bucket, Bucket=BUCKET)
    while found := S3.list_object_versions(Bucket=BUCKET, MaxKeys=500):
        entries = found.get("Versions", []) + found.get("DeleteMarkers", [])
        if not entries:
            break
        names = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        assert "Errors" not in S3.delete_objects(Bucket=BUCKET, Delete={"Objects": names})
    S3.delete_bucket(Bucket=BUCKET)


for step in [buckets, objects, attributes, refusals, ranges, conditions, locks, checksums, copies, multipart, listing, versions, tags,
             unconfigured, policies, presigned, credentials, clean_up]:
    step()
    print("ok", step.__name__, flush=True)
