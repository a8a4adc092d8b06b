module volumes

go 1.24
