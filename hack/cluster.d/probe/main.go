// probe: what hack/cluster.d/check runs in pods, which have no shell.
//
//	probe serve             answers its address's name on :8080 until it is asked to end
//	probe get URL           prints an answer; with the pod's own token where that is the API server
//	probe resolve NAME      prints the addresses of a name
//	probe read FILE         prints a file
//	probe write FILE TEXT   writes one
//	probe id                prints its user, groups and rights
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	if err := run(append(os.Args[1:], "", "", "")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch arguments[0] {
	case "serve":
		return serve()
	case "get":
		return get(arguments[1])
	case "resolve":
		addresses, err := net.LookupHost(arguments[1])
		fmt.Println(strings.Join(addresses, " "))
		return err
	case "read":
		content, err := os.ReadFile(arguments[1])
		fmt.Print(string(content))
		return err
	case "write":
		return os.WriteFile(arguments[1], []byte(arguments[2]), 0o640)
	case "id":
		status, err := os.ReadFile("/proc/self/status")
		for _, line := range regexp.MustCompile(`(?m)^(Uid|Gid|Groups|CapEff|NoNewPrivs|Seccomp):.*$`).FindAllString(string(status), -1) {
			fmt.Println(line)
		}
		return err
	}
	return fmt.Errorf("unknown command %q", arguments[0])
}

func serve() error {
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	name, _ := os.Hostname()
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })}
	go func() {
		<-ended.Done()
		server.Shutdown(context.Background())
	}()
	fmt.Println("listening on", server.Addr, "as", os.Getuid())
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func get(url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{}
	if strings.HasPrefix(url, "https://") {
		authority, err := os.ReadFile(account + "ca.crt")
		if err != nil {
			return err
		}
		token, err := os.ReadFile(account + "token")
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
