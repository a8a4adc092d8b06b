// volumes: makes a PersistentVolume for each claim of a StorageClass whose provisioner it is, a folder of the node that it
// runs on. It does what an external provisioner and resizer of a cloud do, so that claims bind, grow and go as they do
// there:
//
//   - a claim that waits gets a folder and a volume (when a pod needs it, if its class says WaitForFirstConsumer);
//   - a claim that asks for more gets more: the size is a number here, nothing enforces it;
//   - a volume that is released and to be deleted goes, and its folder with it.
//
// Volumes are of the kind `local` and belong to root, as a cloud's disk does: a pod that is not root reaches its data by
// its fsGroup only.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	provisioner = "cluster.zot.test/local-path"
	// Holds a volume that somebody deletes until its folder is gone.
	finalizer = "cluster.zot.test/folder"

	provisionedBy    = "pv.kubernetes.io/provisioned-by"
	waitsFor         = "volume.kubernetes.io/storage-provisioner"
	selectedNode     = "volume.kubernetes.io/selected-node"
	classesPath      = "/apis/storage.k8s.io/v1/storageclasses"
	volumesPath      = "/api/v1/persistentvolumes"
	claimsPath       = "/api/v1/persistentvolumeclaims"
	typeMergePatch   = "application/merge-patch+json"
	typeJSON         = "application/json"
	pauseAfterEvents = 20 * time.Millisecond
	pauseAfterErrors = time.Second
	lookAgain        = 10 * time.Second
)

type object = map[string]any

type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Annotations       map[string]string `json:"annotations"`
	Finalizers        []string          `json:"finalizers"`
	DeletionTimestamp string            `json:"deletionTimestamp"`
}

type sizes struct {
	Storage string `json:"storage"`
}

type class struct {
	Metadata          metadata `json:"metadata"`
	Provisioner       string   `json:"provisioner"`
	ReclaimPolicy     string   `json:"reclaimPolicy"`
	VolumeBindingMode string   `json:"volumeBindingMode"`
}

type claim struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		AccessModes      []string `json:"accessModes"`
		StorageClassName string   `json:"storageClassName"`
		VolumeMode       string   `json:"volumeMode"`
		VolumeName       string   `json:"volumeName"`
		Selector         any      `json:"selector"`
		DataSource       any      `json:"dataSource"`
		DataSourceRef    any      `json:"dataSourceRef"`
		Resources        struct {
			Requests sizes `json:"requests"`
		} `json:"resources"`
	} `json:"spec"`
	Status struct {
		Phase    string `json:"phase"`
		Capacity sizes  `json:"capacity"`
	} `json:"status"`
}

type volume struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Capacity                      sizes  `json:"capacity"`
		PersistentVolumeReclaimPolicy string `json:"persistentVolumeReclaimPolicy"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type list[T any] struct {
	Items []T `json:"items"`
}

var (
	server = flag.String("server", "", "address of the API server")
	ca     = flag.String("ca", "", "file with the API server's authority")
	cert   = flag.String("cert", "", "file with our certificate")
	key    = flag.String("key", "", "file with its key")
	node   = flag.String("node", "", "name of this node")
	folder = flag.String("folder", "", "where the volumes' folders are")
	client *http.Client
)

func main() {
	flag.Parse()
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	authority, err := os.ReadFile(*ca)
	if err != nil {
		log.Fatal(err)
	}
	own, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}},
		ForceAttemptHTTP2: true,
	}}
	changed := make(chan struct{}, 1)
	for _, path := range []string{claimsPath, volumesPath} {
		go watch(path, changed)
	}
	for {
		if err := reconcile(); err != nil {
			log.Print(err)
			time.Sleep(pauseAfterErrors)
			continue
		}
		select {
		case <-changed:
			time.Sleep(pauseAfterEvents)
		case <-time.After(lookAgain):
		}
	}
}

// Says that something changed, not what: all is looked at then, which is little.
func watch(path string, changed chan<- struct{}) {
	for {
		response, err := client.Get(*server + path + "?watch=true")
		if err == nil {
			lines := bufio.NewReaderSize(response.Body, 1<<16)
			for {
				if _, err = lines.ReadSlice('\n'); err != nil && err != bufio.ErrBufferFull {
					break
				}
				select {
				case changed <- struct{}{}:
				default:
				}
			}
			response.Body.Close()
		}
		time.Sleep(pauseAfterErrors)
	}
}

func reconcile() error {
	var classes list[class]
	var claims list[claim]
	var volumes list[volume]
	for path, into := range map[string]any{classesPath: &classes, claimsPath: &claims, volumesPath: &volumes} {
		if err := call(http.MethodGet, path, "", nil, into); err != nil {
			return err
		}
	}
	known := map[string]volume{}
	for _, found := range volumes.Items {
		if found.Metadata.Annotations[provisionedBy] != provisioner {
			continue
		}
		known[found.Metadata.Name] = found
		if err := reclaim(found); err != nil {
			return err
		}
	}
	for _, asked := range claims.Items {
		if bound, ours := known[asked.Spec.VolumeName]; ours {
			if err := grow(asked, bound); err != nil {
				return err
			}
			continue
		}
		at := slices.IndexFunc(classes.Items, func(c class) bool { return c.Metadata.Name == asked.Spec.StorageClassName })
		if at < 0 || classes.Items[at].Provisioner != provisioner {
			continue
		}
		if _, made := known[volumeName(asked)]; !made && waits(asked, classes.Items[at]) {
			if err := provision(asked, classes.Items[at]); err != nil {
				return err
			}
		}
	}
	return nil
}

func volumeName(asked claim) string { return "pvc-" + asked.Metadata.UID }

func waits(asked claim, of class) bool {
	annotations := asked.Metadata.Annotations
	if asked.Status.Phase != "Pending" || asked.Spec.VolumeName != "" || asked.Metadata.DeletionTimestamp != "" ||
		annotations[waitsFor] != provisioner {
		return false
	}
	if of.VolumeBindingMode == "WaitForFirstConsumer" && annotations[selectedNode] != *node {
		return false
	}
	if asked.Spec.VolumeMode == "Block" || asked.Spec.Selector != nil || asked.Spec.DataSource != nil || asked.Spec.DataSourceRef != nil {
		log.Printf("%s/%s: no block devices, selectors, snapshots or clones here", asked.Metadata.Namespace, asked.Metadata.Name)
		return false
	}
	return true
}

func provision(asked claim, of class) error {
	name := volumeName(asked)
	path := filepath.Join(*folder, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	log.Printf("%s/%s gets %s", asked.Metadata.Namespace, asked.Metadata.Name, name)
	return call(http.MethodPost, volumesPath, typeJSON, object{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": object{"name": name, "annotations": object{provisionedBy: provisioner}, "finalizers": []string{finalizer}},
		"spec": object{
			"capacity": asked.Spec.Resources.Requests, "accessModes": asked.Spec.AccessModes, "volumeMode": "Filesystem",
			"storageClassName": of.Metadata.Name, "persistentVolumeReclaimPolicy": of.ReclaimPolicy,
			"claimRef": object{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"namespace": asked.Metadata.Namespace, "name": asked.Metadata.Name, "uid": asked.Metadata.UID,
			},
			"local": object{"path": path},
			"nodeAffinity": object{"required": object{"nodeSelectorTerms": []object{{"matchExpressions": []object{
				{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{*node}},
			}}}}},
		},
	}, nil)
}

// The API server lets a claim only ask for more, and writes sizes in one way only: so another size is a larger one.
func grow(asked claim, bound volume) error {
	wanted := asked.Spec.Resources.Requests
	if asked.Status.Phase != "Bound" || wanted == asked.Status.Capacity {
		return nil
	}
	log.Printf("%s/%s grows from %s to %s", asked.Metadata.Namespace, asked.Metadata.Name, asked.Status.Capacity.Storage, wanted.Storage)
	size := object{"capacity": wanted}
	if err := call(http.MethodPatch, volumesPath+"/"+bound.Metadata.Name, typeMergePatch, object{"spec": size}, nil); err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/persistentvolumeclaims/%s/status", asked.Metadata.Namespace, asked.Metadata.Name)
	return call(http.MethodPatch, path, typeMergePatch, object{"status": size}, nil)
}

func reclaim(found volume) error {
	delete := found.Spec.PersistentVolumeReclaimPolicy == "Delete"
	path := volumesPath + "/" + found.Metadata.Name
	if found.Metadata.DeletionTimestamp == "" {
		if delete && found.Status.Phase == "Released" {
			return call(http.MethodDelete, path, "", nil, nil)
		}
		return nil
	}
	at := slices.Index(found.Metadata.Finalizers, finalizer)
	if at < 0 || found.Status.Phase == "Bound" {
		return nil
	}
	if delete {
		log.Printf("removing the folder of %s", found.Metadata.Name)
		if err := os.RemoveAll(filepath.Join(*folder, found.Metadata.Name)); err != nil {
			return err
		}
	}
	left := slices.Delete(found.Metadata.Finalizers, at, at+1)
	return call(http.MethodPatch, path, typeMergePatch, object{
		"metadata": object{"resourceVersion": found.Metadata.ResourceVersion, "finalizers": left},
	}, nil)
}

// What is not there any more, and what somebody changed meanwhile, comes up again with the next look.
func call(method, path, mediaType string, body any, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		content = nil
	}
	request, err := http.NewRequest(method, *server+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", mediaType)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusConflict:
		return nil
	case response.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	case into == nil:
		return nil
	}
	return json.Unmarshal(answer, into)
}
