// fake-gcs-server with the parts of Google's XML API that it lacks and the store's client uses: plain PUT with
// x-goog-if-generation-match, lists in pages, and multipart uploads. Objects are in memory; credentials are not looked at.
//
// Reading, deleting and the JSON API (tests make their buckets by it) are fake-gcs-server's own.
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

const (
	// The host that fake-gcs-server serves the XML API for.
	publicHost = "storage.googleapis.com"
	// As Google has it: all parts but the last are at least this large, in bytes.
	partMin = 5 << 20
	pageMax = 1000
)

func main() {
	if len(os.Args) != 2 {
		log.Fatalf("usage: %s HOST:PORT", os.Args[0])
	}
	storage, err := fakestorage.NewServerWithOptions(fakestorage.Options{NoListener: true, PublicHost: publicHost})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(os.Args[1], &xmlAPI{storage: storage, uploads: map[string]*upload{}}))
}

type xmlAPI struct {
	storage *fakestorage.Server
	mutex   sync.Mutex
	uploads map[string]*upload
	begun   int
}

// A multipart upload: its object, and its parts by number as the query has it.
type upload struct {
	path  string
	parts map[string][]byte
}

func (api *xmlAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, object, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	own := bucket != "storage" && bucket != "upload" && bucket != "_internal"
	var err error
	switch {
	case own && object == "" && r.Method == http.MethodGet:
		err = api.list(w, bucket, query)
	case own && query.Has("uploads") && r.Method == http.MethodPost:
		err = api.begin(w, bucket, object)
	case own && query.Has("uploadId"):
		err = api.proceed(w, r, bucket, object, query)
	case own && r.Method == http.MethodPut:
		var body []byte
		if body, err = io.ReadAll(r.Body); err == nil {
			err = api.put(w, bucket, object, body, r.Header.Get("x-goog-if-generation-match"))
		}
	default:
		r.Host = publicHost
		api.storage.HTTPHandler().ServeHTTP(w, r)
	}
	var refused *refusal
	if errors.As(err, &refused) {
		w.WriteHeader(refused.status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", refused.code, refused.code)
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

type refusal struct {
	status int
	code   string
}

func (refused *refusal) Error() string { return refused.code }

// Stores an object through the JSON API, which knows conditions.
func (api *xmlAPI) put(w http.ResponseWriter, bucket, object string, body []byte, generation string) error {
	target := fmt.Sprintf("/upload/storage/v1/b/%s/o?uploadType=media&name=%s", bucket, url.QueryEscape(object))
	if generation != "" {
		target += "&ifGenerationMatch=" + generation
	}
	answer := httptest.NewRecorder()
	api.storage.HTTPHandler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body)))
	switch answer.Code {
	case http.StatusOK:
		w.Header().Set("ETag", etag(body))
		return nil
	case http.StatusNotFound:
		return &refusal{http.StatusNotFound, "NoSuchBucket"}
	case http.StatusPreconditionFailed:
		return &refusal{http.StatusPreconditionFailed, "PreconditionFailed"}
	}
	return fmt.Errorf("fake-gcs-server answered %d: %s", answer.Code, answer.Body)
}

type entry struct {
	Key          string
	Size         int64
	LastModified string
	ETag         string
}

type prefix struct{ Prefix string }

type page struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Contents              []entry
	CommonPrefixes        []prefix
	IsTruncated           bool
	NextContinuationToken string `xml:",omitempty"`
}

func (api *xmlAPI) list(w http.ResponseWriter, bucket string, query url.Values) error {
	found, err := api.storage.ListObjectsWithOptionsPaginated(bucket, fakestorage.ListOptions{
		Prefix:      query.Get("prefix"),
		Delimiter:   query.Get("delimiter"),
		StartOffset: query.Get("start-after"),
		PageToken:   query.Get("continuation-token"),
		MaxResults:  pageMax,
	})
	if err != nil {
		return &refusal{http.StatusNotFound, "NoSuchBucket"}
	}
	answer := page{Name: bucket, IsTruncated: found.NextPageToken != "", NextContinuationToken: found.NextPageToken}
	for _, object := range found.Objects {
		modified := object.Updated.UTC().Format("2006-01-02T15:04:05.000Z")
		answer.Contents = append(answer.Contents, entry{object.Name, object.Size, modified, object.Etag})
	}
	for _, name := range found.Prefixes {
		answer.CommonPrefixes = append(answer.CommonPrefixes, prefix{name})
	}
	return answerXML(w, answer)
}

func (api *xmlAPI) begin(w http.ResponseWriter, bucket, object string) error {
	if _, err := api.storage.Backend().GetBucket(bucket); err != nil {
		return &refusal{http.StatusNotFound, "NoSuchBucket"}
	}
	api.mutex.Lock()
	defer api.mutex.Unlock()
	api.begun++
	id := fmt.Sprintf("upload-%d", api.begun)
	api.uploads[id] = &upload{path: bucket + "/" + object, parts: map[string][]byte{}}
	type answer struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadId string
	}
	return answerXML(w, answer{Bucket: bucket, Key: object, UploadId: id})
}

// Takes a part, completes or aborts.
func (api *xmlAPI) proceed(w http.ResponseWriter, r *http.Request, bucket, object string, query url.Values) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	api.mutex.Lock()
	defer api.mutex.Unlock()
	id := query.Get("uploadId")
	open := api.uploads[id]
	if open == nil || open.path != bucket+"/"+object {
		return &refusal{http.StatusNotFound, "NoSuchUpload"}
	}
	switch r.Method {
	case http.MethodPut:
		open.parts[query.Get("partNumber")] = body
		w.Header().Set("ETag", etag(body))
		return nil
	case http.MethodDelete:
		delete(api.uploads, id)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPost:
		whole, err := open.complete(body)
		if err != nil {
			return err
		}
		if err := api.put(w, bucket, object, whole, ""); err != nil {
			return err
		}
		delete(api.uploads, id)
		type answer struct {
			XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
			Bucket  string
			Key     string
			ETag    string
		}
		return answerXML(w, answer{Bucket: bucket, Key: object, ETag: etag(whole)})
	}
	return &refusal{http.StatusMethodNotAllowed, "MethodNotAllowed"}
}

// Puts the named parts together.
func (open *upload) complete(body []byte) ([]byte, error) {
	var named struct {
		Part []struct{ PartNumber, ETag string }
	}
	if err := xml.Unmarshal(body, &named); err != nil {
		return nil, &refusal{http.StatusBadRequest, "MalformedXML"}
	}
	var whole []byte
	for index, part := range named.Part {
		bytes, ok := open.parts[part.PartNumber]
		if !ok || etag(bytes) != part.ETag {
			return nil, &refusal{http.StatusBadRequest, "InvalidPart"}
		}
		if index < len(named.Part)-1 && len(bytes) < partMin {
			return nil, &refusal{http.StatusBadRequest, "EntityTooSmall"}
		}
		whole = append(whole, bytes...)
	}
	return whole, nil
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func answerXML(w http.ResponseWriter, answer any) error {
	text, err := xml.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/xml")
	_, err = w.Write(text)
	return err
}
