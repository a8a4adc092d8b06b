// The S3 API with minio-go and aws-sdk-go-v2.
package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/url"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
)

var (
	endpoint = os.Getenv("ENDPOINT")
	access   = os.Getenv("ACCESS_KEY")
	secret   = os.Getenv("SECRET_KEY")
	owner    = os.Getenv("OWNER")
	ctx      = context.Background()
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func underMinio(bucket string) {
	address, err := url.Parse(endpoint)
	check(err)
	client, err := minio.New(address.Host, &minio.Options{Creds: miniocredentials.NewStaticV4(access, secret, "")})
	check(err)
	check(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}))
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	_, err = client.PutObject(ctx, bucket, "dir/ü big", bytes.NewReader(data), -1, minio.PutObjectOptions{PartSize: 5 << 20})
	check(err)
	object, err := client.GetObject(ctx, bucket, "dir/ü big", minio.GetObjectOptions{})
	check(err)
	found, err := io.ReadAll(object)
	check(err)
	if !bytes.Equal(found, data) {
		log.Panic("other bytes")
	}
	_, err = client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, minio.CopySrcOptions{Bucket: bucket, Object: "dir/ü big"})
	check(err)
	count := 0
	for object := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		check(object.Err)
		check(client.RemoveObject(ctx, bucket, object.Key, minio.RemoveObjectOptions{}))
		count++
	}
	if count != 2 {
		log.Panicf("%d objects", count)
	}
	check(client.RemoveBucket(ctx, bucket))
}

func underAWS(bucket string) {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	check(err)
	var lock sync.Mutex
	var workers sync.WaitGroup
	won := 0
	for range 32 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			_, err := client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &bucket, Key: aws.String("lock"), Body: bytes.NewReader([]byte("x")), IfNoneMatch: aws.String("*"),
			})
			var api smithy.APIError
			lock.Lock()
			defer lock.Unlock()
			if err == nil {
				won++
			} else if !errors.As(err, &api) || api.ErrorCode() != "PreconditionFailed" {
				log.Panic(err)
			}
		}()
	}
	workers.Wait()
	if won != 1 {
		log.Panicf("%d got the lock", won)
	}
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("lock")})
	check(err)
	body, err := io.ReadAll(got.Body)
	check(err)
	if string(body) != "x" {
		log.Panic(string(body))
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("lock")})
	check(err)
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	check(err)
}

func main() {
	underMinio("minio-go-" + owner)
	underAWS("aws-go-" + owner)
	log.Print("ok go")
}
