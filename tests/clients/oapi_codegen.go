// The API by a client that oapi-codegen made: ADDRESS IMAGE RESULT.
package main

import (
	"bytes"
	"context"
	"log"
	"mime/multipart"
	"os"
	"path/filepath"
	"time"

	"clients/mill"
)

var background = context.Background()

func main() {
	address, image, result := os.Args[1], os.Args[2], os.Args[3]
	client := must(mill.NewClientWithResponses(address))
	original := must(os.ReadFile(image))
	form := map[string]string{"filters": "blur:2.5,invert", "tile_size": "16", "format": "png", "quality": "80"}
	job := ended(client, create(client, form, filepath.Base(image), original).JSON201)
	check(job.Status == mill.StatusComplete && job.Name == filepath.Base(image) && job.Error == nil, job)
	check(os.WriteFile(result, must(client.GetResultWithResponse(background, job.Id, nil)).Body, 0o600) == nil, result)
	back := must(client.GetOriginalWithResponse(background, job.Id, nil)).Body
	check(bytes.Equal(back, original), "the original came back changed")

	again := ended(client, create(client, map[string]string{"from": job.Id, "filters": ""}, "", nil).JSON201)
	check(again.Status == mill.StatusComplete, again)
	check(must(client.DeleteJobWithResponse(background, again.Id)).StatusCode() == 204, again)

	gone := must(client.GetJobWithResponse(background, again.Id)).ApplicationproblemJSON404
	check(gone != nil && gone.Status == 404 && gone.Code == "not_found", gone)
	refused := create(client, map[string]string{"from": job.Id, "filters": "nonsense"}, "", nil)
	check(refused.ApplicationproblemJSON422.Code == "invalid_filters", refused)

	for _, filter := range *must(client.ListFiltersWithResponse(background)).JSON200 {
		if filter.Name == "grayscale" {
			choice := must(filter.Params[0].AsChoiceParam())
			check(choice.Type == "choice" && len(choice.Choices) == 2, choice)
		}
	}
}

// Creates a job. Forms with a file are the one thing that oapi-codegen leaves to its user.
func create(client *mill.ClientWithResponses, fields map[string]string, name string, image []byte) *mill.CreateJobResponse {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, value := range fields {
		check(form.WriteField(field, value) == nil, field)
	}
	if image != nil {
		must(must(form.CreateFormFile("image", name)).Write(image))
	}
	check(form.Close() == nil, "form")
	return must(client.CreateJobWithBodyWithResponse(background, form.FormDataContentType(), &body))
}

func ended(client *mill.ClientWithResponses, job *mill.JobView) *mill.JobView {
	for job.Status != mill.StatusComplete && job.Status != mill.StatusFailed && job.Status != mill.StatusCancelled {
		time.Sleep(50 * time.Millisecond)
		job = must(client.GetJobWithResponse(background, job.Id)).JSON200
	}
	return job
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Panic(err)
	}
	return value
}

func check(holds bool, about any) {
	if !holds {
		log.Panicf("%+v", about)
	}
}
